//! A principal as ten words, so that it lies inline in the table.

use crate::{
    amr::Amr,
    error::Refusal,
    id::{AccountId, DomainId, KeyId, PersonId, SessionId, TokenId},
    model::Version,
    policy::{Permissions, Role},
    port::About,
    principal::{KeyPrincipal, PersonPrincipal, Principal, Tenant, TokenKind, TokenPrincipal},
    service::Service,
    time::Timestamp,
};

/// How many words a record takes.
pub(super) const WORDS: usize = 10;

/// What the table holds of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// Who its bearer is.
    pub(super) principal: Principal,
    /// Whether it is accepted.
    pub(super) state: State,
    /// Whether networks or a rate limit must be looked up.
    pub(super) limited: bool,
}

/// The state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Accepted, until its end.
    Live,
    /// Refused, for good.
    Ended,
    /// Must be read again.
    Stale,
}

const PERMISSIONS: u64 = 0xffff_ffff;
const KIND: u32 = 32;
const HAS_DOMAIN: u64 = 1 << 40;
const HAS_PARENT: u64 = 1 << 41;
const HAS_END: u64 = 1 << 42;
const ENDED: u64 = 1 << 43;
const STALE: u64 = 1 << 44;
const LIMITED: u64 = 1 << 45;

const HUB_KEY: u64 = 1;
const DOMAIN_KEY: u64 = 2;
const TEMP: u64 = 3;
const WIDGET: u64 = 4;
const CHAT: u64 = 5;
const PERSON: u64 = 6;
/// Where the methods of a person's login, and their role, begin above the kind.
const AMR: u32 = 14;
const ROLE: u32 = 18;
/// A person's session is for the Hub.
const FOR_HUB: u64 = 1 << 22;

impl Record {
    /// What a notice that touches it may be about: itself, what it hangs on, and whose it is.
    pub(super) fn touched_by(&self) -> impl Iterator<Item = About> + use<> {
        let itself = match &self.principal {
            Principal::Key(key) => [Some(About::Key(key.id)), None, None],
            Principal::Token(token) => [Some(About::Token(token.id)), token.parent.map(About::Key), None],
            Principal::Person(person) => [
                Some(About::Session(person.session)),
                Some(About::Person(person.person)),
                Some(About::SigningKeys),
            ],
            Principal::Operator => [None; 3],
        };
        let tenant = self.principal.tenant();
        let owners = [
            tenant.map(|tenant| About::Account(tenant.account)),
            tenant.and_then(|tenant| tenant.domain).map(About::Domain),
        ];
        itself.into_iter().chain(owners).flatten()
    }

    /// The words that the table holds; `None` for a principal that has no credential.
    pub(super) fn pack(&self) -> Option<Words> {
        // Of a key the low word holds what it may do, of a person since when they are proved.
        let (kind, id, parent, low, version) = match &self.principal {
            Principal::Key(key) => {
                let kind = if key.service == Service::Hub { HUB_KEY } else { DOMAIN_KEY };
                (kind, key.id.as_bytes(), None, key.permissions.bits(), Some(key.version))
            }
            Principal::Token(token) => {
                let kind = match token.kind {
                    TokenKind::Temp => TEMP,
                    TokenKind::Widget => WIDGET,
                    TokenKind::Chat => CHAT,
                };
                (kind, token.id.as_bytes(), token.parent.as_ref().map(KeyId::as_bytes), 0, None)
            }
            Principal::Person(person) => {
                let role = person
                    .role
                    .map_or(0, |role| Role::ALL.iter().position(|one| *one == role).map_or(0, |at| at + 1));
                let audience = if person.audience == Service::Hub { FOR_HUB } else { 0 };
                let kind =
                    PERSON | (u64::from(person.amr.bits()) << AMR) | ((role as u64) << ROLE) | audience;
                let since = u32::try_from(person.auth_time.millis() / 1000).unwrap_or(0);
                (kind, person.session.as_bytes(), Some(person.person.as_bytes()), since, None)
            }
            Principal::Operator => return None,
        };
        let tenant = self.principal.tenant();
        let domain = tenant.and_then(|tenant| tenant.domain);
        let end = self.principal.expires_at();
        let mut meta = u64::from(low) | (kind << KIND);
        let state = match self.state {
            State::Live => 0,
            State::Ended => ENDED,
            State::Stale => STALE,
        };
        meta |= state;
        for (flag, set) in [
            (HAS_DOMAIN, domain.is_some()),
            (HAS_PARENT, parent.is_some()),
            (HAS_END, end.is_some()),
            (LIMITED, self.limited),
        ] {
            meta |= if set { flag } else { 0 };
        }
        let [id_high, id_low] = halves(id);
        let [account_high, account_low] = tenant.map_or([0; 2], |tenant| halves(tenant.account.as_bytes()));
        let [domain_high, domain_low] = domain.map_or([0; 2], |domain| halves(domain.as_bytes()));
        // A key has no parent, and a token no version.
        let version = version.map_or(0, |version| version.number().cast_unsigned());
        let [parent_high, parent_low] = parent.map_or([version, 0], halves);
        let end = end.map_or(0, |end| end.millis().unsigned_abs());
        Some(Words([
            id_high,
            id_low,
            account_high,
            account_low,
            domain_high,
            domain_low,
            parent_high,
            parent_low,
            end,
            meta,
        ]))
    }

    /// Reads the words back; `None` for words that `pack` does not make.
    pub(super) fn unpack(words: Words) -> Option<Self> {
        Some(Self { principal: words.principal()?, state: words.state(), limited: words.is_limited() })
    }

    /// Why it is refused at a time, if it is.
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        match self.state {
            State::Live if self.principal.expires_at().is_some_and(|end| end <= now) => {
                Some(Refusal::Expired)
            }
            State::Live => None,
            State::Ended | State::Stale => Some(Refusal::Revoked),
        }
    }
}

/// A record as it lies in the table. What most requests ask of it is read without the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words(pub(super) [u64; WORDS]);

impl Words {
    #[inline]
    const fn end_and_meta(&self) -> (u64, u64) {
        let [.., end, meta] = self.0;
        (end, meta)
    }

    /// The state.
    #[inline]
    pub(super) const fn state(&self) -> State {
        match self.end_and_meta().1 & (ENDED | STALE) {
            0 => State::Live,
            ENDED => State::Ended,
            _ => State::Stale,
        }
    }

    /// Whether there are limits to look up.
    #[inline]
    pub(super) const fn is_limited(&self) -> bool {
        self.end_and_meta().1 & LIMITED != 0
    }

    /// As [`Record::refusal`].
    #[inline]
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        let (end, meta) = self.end_and_meta();
        match self.state() {
            State::Live if meta & HAS_END != 0 && end.cast_signed() <= now.millis() => Some(Refusal::Expired),
            State::Live => None,
            State::Ended | State::Stale => Some(Refusal::Revoked),
        }
    }

    /// Whose it is; `None` for words that `pack` does not make.
    pub(super) fn principal(&self) -> Option<Principal> {
        let mut who = None;
        self.tell(&mut who);
        who
    }

    /// Writes whose it is where it is to lie; `None` for words that `pack` does not make, whatever lay there. Passed
    /// on as a value, a principal would be copied before its words have left the store buffer, and wait for them.
    #[inline]
    pub(super) fn tell(&self, who: &mut Option<Principal>) {
        let [id_h, id_l, account_h, account_l, domain_h, domain_l, parent_h, parent_l, end, meta] = self.0;
        let domain = || DomainId::from_bytes(whole(domain_h, domain_l));
        let expires_at = (meta & HAS_END != 0).then(|| Timestamp::from_millis(end.cast_signed()));
        let kind = match (meta >> KIND) & 0xff {
            service @ (HUB_KEY | DOMAIN_KEY) => {
                *who = Some(Principal::Key(KeyPrincipal {
                    id: KeyId::from_bytes(whole(id_h, id_l)),
                    service: if service == HUB_KEY { Service::Hub } else { Service::Chatbot },
                    tenant: Tenant {
                        account: AccountId::from_bytes(whole(account_h, account_l)),
                        domain: (meta & HAS_DOMAIN != 0).then(domain),
                    },
                    permissions: Permissions::from_bits(u32::try_from(meta & PERMISSIONS).unwrap_or(0)),
                    expires_at,
                    version: Version::from_stored(parent_h.cast_signed()),
                }));
                return;
            }
            TEMP => TokenKind::Temp,
            WIDGET => TokenKind::Widget,
            CHAT => TokenKind::Chat,
            PERSON => {
                *who = self.person();
                return;
            }
            _ => {
                *who = None;
                return;
            }
        };
        *who = match expires_at {
            Some(expires_at) if meta & HAS_DOMAIN != 0 => Some(Principal::Token(TokenPrincipal {
                id: TokenId::from_bytes(whole(id_h, id_l)),
                kind,
                account: AccountId::from_bytes(whole(account_h, account_l)),
                domain: domain(),
                parent: (meta & HAS_PARENT != 0).then(|| KeyId::from_bytes(whole(parent_h, parent_l))),
                expires_at,
            })),
            _ => None,
        };
    }
}

impl Words {
    /// The person whose it is. When it is judged, whoever judges it says: until then no proof is a fresh one.
    #[inline(never)]
    fn person(&self) -> Option<Principal> {
        let [id_h, id_l, account_h, account_l, domain_h, domain_l, person_h, person_l, end, meta] = self.0;
        let role = (meta >> KIND >> ROLE) & 0xf;
        let role = match usize::try_from(role).ok()?.checked_sub(1) {
            Some(at) => Some(*Role::ALL.get(at)?),
            None => None,
        };
        let tenant = (meta & HAS_DOMAIN != 0).then(|| Tenant {
            account: AccountId::from_bytes(whole(account_h, account_l)),
            domain: Some(DomainId::from_bytes(whole(domain_h, domain_l))),
        });
        (meta & HAS_END != 0 && meta & HAS_PARENT != 0).then_some(())?;
        Some(Principal::Person(PersonPrincipal {
            session: SessionId::from_bytes(whole(id_h, id_l)),
            person: PersonId::from_bytes(whole(person_h, person_l)),
            tenant,
            role,
            amr: Amr::from_bits(u8::try_from((meta >> KIND >> AMR) & 0xf).ok()?)?,
            auth_time: Timestamp::from_millis(i64::try_from(meta & PERMISSIONS).ok()? * 1000),
            audience: if (meta >> KIND) & FOR_HUB == 0 { Service::Chatbot } else { Service::Hub },
            expires_at: Timestamp::from_millis(end.cast_signed()),
            judged_at: Timestamp::MAX,
        }))
    }
}

fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let whole = u128::from_be_bytes(*bytes);
    let low = whole & u128::from(u64::MAX);
    [whole >> 64, low].map(|half| u64::try_from(half).unwrap_or(0))
}

#[inline]
fn whole(high: u64, low: u64) -> [u8; 16] {
    ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_nobody_leave_nobody() {
        let id = KeyId::from_bytes([1; 16]);
        let tenant = Tenant { account: AccountId::from_bytes([2; 16]), domain: None };
        let (service, permissions, expires_at) = (Service::Hub, Permissions::from_bits(1), None);
        let version = Version::FIRST;
        let before = Principal::Key(KeyPrincipal { id, service, tenant, permissions, expires_at, version });
        let no_end = (TEMP << KIND) | HAS_DOMAIN;
        let no_domain = (CHAT << KIND) | HAS_END;
        for meta in [0, (CHAT + 1) << KIND, no_end, no_domain] {
            let mut words = [7; WORDS];
            *words.last_mut().unwrap() = meta;
            let mut who = Some(before);
            Words(words).tell(&mut who);
            assert_eq!(who, None, "{meta:x}");
        }
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_went_in(
            id: [u8; 16], account: [u8; 16], domain: Option<[u8; 16]>, parent: Option<[u8; 16]>,
            bits in 0_u32..512, end in proptest::option::of(0_i64..=Timestamp::MAX.millis()),
            version: i64, now in 0_i64..=Timestamp::MAX.millis(), kind in 0_usize..6, state in 0_usize..3, limited: bool,
            amr in 0_u8..8, role in 0_usize..5,
        ) {
            let (account, end) = (AccountId::from_bytes(account), end.map(Timestamp::from_millis));
            let domain = domain.map(DomainId::from_bytes);
            let principal = match kind {
                0 | 1 => Principal::Key(KeyPrincipal {
                    id: KeyId::from_bytes(id), service: Service::ALL[kind], tenant: Tenant { account, domain },
                    permissions: Permissions::from_bits(bits), expires_at: end,
                    version: Version::from_stored(version),
                }),
                5 => Principal::Person(PersonPrincipal {
                    session: SessionId::from_bytes(id), person: PersonId::from_bytes(parent.unwrap_or(id)),
                    tenant: domain.map(|domain| Tenant { account, domain: Some(domain) }),
                    role: role.checked_sub(1).map(|at| Role::ALL[at]), amr: Amr::from_bits(amr).unwrap(),
                    auth_time: Timestamp::from_millis(i64::from(bits) * 1000),
                    audience: if bits % 2 == 0 { Service::Hub } else { Service::Chatbot },
                    expires_at: end.unwrap_or(Timestamp::EPOCH), judged_at: Timestamp::MAX,
                }),
                _ => Principal::Token(TokenPrincipal {
                    id: TokenId::from_bytes(id), kind: TokenKind::ALL[kind - 2], account,
                    domain: domain.unwrap_or(DomainId::from_bytes([7; 16])),
                    parent: parent.map(KeyId::from_bytes), expires_at: end.unwrap_or(Timestamp::EPOCH),
                }),
            };
            let record = Record { principal, state: [State::Live, State::Ended, State::Stale][state], limited };
            let words = record.pack().unwrap();
            prop_assert_eq!(Record::unpack(words), Some(record));
            let now = Timestamp::from_millis(now);
            prop_assert_eq!(words.refusal(now), record.refusal(now));
        }
    }
}
