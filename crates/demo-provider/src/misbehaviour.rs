//! What a provider can do wrong.

macro_rules! misbehaviours {
    ($($(#[doc = $part_text:literal])+ $part:ident { $($(#[doc = $text:literal])+ $name:ident,)+ })+) => {
        /// What a provider can do wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Misbehaviour { $($($(#[doc = $text])+ $name,)+)+ }

        /// Which of its answers a misbehaviour spoils.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Part { $($(#[doc = $part_text])+ $part,)+ }

        impl Misbehaviour {
            /// Each of them, once.
            pub const ALL: &[Self] = &[$($(Self::$name,)+)+];

            /// Its name, as it is written here.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)+)+ }
            }
            /// What it spoils.
            pub const fn part(self) -> Part {
                match self { $($(Self::$name)|+ => Part::$part,)+ }
            }
        }
    };
}

misbehaviours! {
    /// The ID token, of an exchange and of a refresh alike.
    IdToken {
        /// `nonce` is another one.
        WrongNonce,
        /// There is no `nonce`.
        NoNonce,
        /// `aud` is another client.
        WrongAudience,
        /// `aud` lists the client and another one, and `azp` is the other one.
        SeveralAudiences,
        /// `azp` is another client.
        WrongAuthorizedParty,
        /// `iss` is somebody else.
        WrongIssuer,
        /// `tid` and `iss` are those of another directory. Like Microsoft's alone; Google's has none.
        WrongTenant,
        /// It was good for an hour, an hour ago.
        Expired,
        /// It is good for an hour, in an hour.
        IssuedInTheFuture,
        /// There is no `exp`.
        NoExpiry,
        /// `alg` is `none`, and there is no signature.
        AlgNone,
        /// `alg` is `HS256`; the key is the client's secret.
        AlgHs256Secret,
        /// `alg` is `HS256`; the key is the modulus of the public key.
        AlgHs256PublicKey,
        /// Another RSA key signed it, under the name of the known one.
        ForeignKey,
        /// Another RSA key signed it, under its own name.
        UnknownKey,
        /// That of a refresh is of another subject; that of an exchange is right.
        OtherSubject,
        /// There is none.
        NoIdToken,
        /// `nonce` is there twice, first a wrong one, in a token that is signed well. One without a nonce has a
        /// `sub` twice.
        DuplicateClaims,
        /// It is well, and longer than 64 kB.
        OversizedIdToken,
    }
    /// The answer of the token endpoint, to an exchange and to a refresh alike.
    TokenAnswer {
        /// `invalid_grant`: the code is of another client. Nothing is used up.
        CodeOfAnotherClient,
        /// `invalid_grant`: the verifier does not fit. Nothing is used up.
        VerifierMismatch,
        /// `scope` lacks the calendar.
        MissingScope,
        /// `scope` has one more than was asked.
        WiderScope,
        /// There is no `scope`, which says that it is as asked (RFC 6749 §5.1).
        NoScope,
        /// There is no `refresh_token`.
        NoRefreshToken,
        /// There is no `expires_in`.
        NoExpiresIn,
        /// `expires_in` is -3600.
        NegativeExpiresIn,
        /// `expires_in` is the greatest number of 64 bits with a sign.
        HugeExpiresIn,
        /// `token_type` is `mac`.
        WrongTokenType,
        /// It calls itself `text/html`.
        WrongContentType,
        /// It calls itself JSON, and is none.
        NotJson,
        /// `access_token` is there twice, first a wrong one.
        DuplicateMembers,
        /// `access_token` is empty.
        EmptyAccessToken,
        /// `access_token` has a line feed, and a header behind it.
        ControlCharacters,
        /// `302` to where [`crate::Provider::redirect_to`] says. Nothing is used up.
        Redirect302,
        /// `307` to where [`crate::Provider::redirect_to`] says. Nothing is used up.
        Redirect307,
        /// `500`, with a page. Nothing is used up.
        ServerError500,
        /// `503`, with `Retry-After: 120`. Nothing is used up.
        Unavailable503,
        /// One byte each 200 ms of real time, without end.
        SlowDrip,
        /// It has no end, and comes as fast as it is read.
        EndlessBody,
        /// 130 kB of gzip, which are 128 MiB.
        GzipBomb,
        /// None ever comes. Nothing is used up.
        Silence,
        /// The connection is closed in the middle of it.
        CutConnection,
    }
    /// The answer to a refresh alone.
    Refresh {
        /// `invalid_grant`. Nothing ends by it.
        InvalidGrant,
        /// Each gives a new refresh token, and the older one is refused from then on; who uses that ends the grant.
        Rotation,
        /// There is no `refresh_token`, not even of Microsoft's, whose older one stays good.
        RefreshOmitsRefreshToken,
        /// `scope` has another one in the place of the calendar.
        RefreshOtherScope,
    }
    /// What the browser brings back to the client.
    Callback {
        /// `iss` is somebody else; also where there should be none.
        WrongIssParameter,
        /// There is no `iss`.
        NoIssParameter,
        /// There are a code and an error, whose description is a script.
        CodeAndError,
    }
    /// The keys and the documents of discovery.
    KeysAndDiscovery {
        /// The keys are elsewhere: `302` to where [`crate::Provider::redirect_to`] says.
        KeysRedirect,
        /// The keys have no end.
        KeysEndless,
        /// There are no keys.
        KeysEmpty,
        /// A key has a member `d`, as private ones have.
        KeysPrivate,
        /// Discovery is of another issuer.
        DiscoveryOtherIssuer,
        /// Discovery names endpoints that only somebody inside can reach: a cloud's metadata, a closed local port.
        DiscoveryInside,
        /// `500` to each revocation, which then ends nothing.
        RevocationFails,
    }
    /// The events of the calendars.
    Calendar {
        /// `401`, whatever the access token.
        EventsUnauthorized,
        /// `500`.
        EventsServerError,
        /// They have no end.
        EventsEndless,
        /// `302` to where [`crate::Provider::redirect_to`] says.
        EventsRedirect,
        /// The next page is where [`crate::Provider::redirect_to`] says; also behind the last one.
        EventsNextLinkElsewhere,
        /// JSON of another shape.
        EventsWrongShape,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_is_listed_once_under_a_name_of_its_own() {
        let names: HashSet<&str> = Misbehaviour::ALL.iter().map(|how| how.name()).collect();
        let all: HashSet<Misbehaviour> = Misbehaviour::ALL.iter().copied().collect();
        assert_eq!((names.len(), all.len()), (Misbehaviour::ALL.len(), Misbehaviour::ALL.len()));
        assert_eq!(Misbehaviour::GzipBomb.name(), "GzipBomb");
        assert_eq!(Misbehaviour::GzipBomb.part(), Part::TokenAnswer);
    }
}
