//! The form of credentials: what is issued reads back, and what was damaged is refused before any lookup.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use auth_core::{
    credential::{
        Form, MailedFor, MailedToken, Malformed, SessionKind, classify, draw_key, draw_session,
        draw_temp_token, format,
    },
    id::PersonId,
    model::Version,
    secret::{RevealOnce, TokenDigest},
    service::Service,
    time::Timestamp,
};
use auth_web::system::OsEntropy;
use conformance::{ambient::SeededEntropy, place::Place};
use proptest::{prelude::*, sample::Index};
use std::collections::HashSet;

/// Every form that is issued with a checksum.
const CHECKED: [Form; 4] = [Form::Key(Service::Hub), Form::Key(Service::Chatbot), Form::Widget, Form::Chat];
const PREFIXES: [&str; 4] = ["avk_", "avt_", format::WIDGET_PREFIX, format::CHAT_PREFIX];

/// Issues a credential of a form.
fn issue(form: Form, seed: u64) -> String {
    let entropy = SeededEntropy::new(seed);
    let secret = match form {
        Form::Key(service) => draw_key(service, &entropy).0,
        Form::Widget => draw_session(SessionKind::Widget, &entropy),
        Form::Chat => draw_session(SessionKind::Chat, &entropy),
        Form::Temp | Form::Legacy | Form::Jwt => draw_temp_token(&entropy),
    };
    secret.reveal().expose().to_owned()
}

fn checked() -> impl Strategy<Value = (Form, String)> {
    (0..CHECKED.len(), any::<u64>()).prop_map(|(at, seed)| (CHECKED[at], issue(CHECKED[at], seed)))
}

fn any_issued() -> impl Strategy<Value = (Form, String)> {
    prop_oneof![4 => checked(), 1 => any::<u64>().prop_map(|seed| (Form::Temp, issue(Form::Temp, seed)))]
}

/// A text with the byte at a place replaced.
fn with(text: &str, at: usize, byte: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = byte;
    String::from_utf8(bytes).unwrap()
}

/// What a damaged credential may still look like: a key of the earlier system, where its prefix was lost.
fn is_none_of_ours(damaged: &str) -> bool {
    let prefixed = PREFIXES.iter().any(|prefix| damaged.starts_with(prefix));
    match classify(damaged) {
        Err(Malformed) => true,
        Ok(form) => form == Form::Legacy && !prefixed,
    }
}

/// When mailed tokens of these tests end.
const END: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A mailed token, and what it says.
fn mailed(reset: bool, person: [u8; 16], version: i64, seed: u64) -> (MailedToken, String) {
    let purpose = if reset { MailedFor::Reset } else { MailedFor::Verification };
    let (person, version) = (PersonId::from_bytes(person), Version::from_stored(version));
    let token = MailedToken { purpose, person, version, expires_at: END };
    let text = token.seal(&Place::keyring(), &SeededEntropy::new(seed)).reveal();
    (token, text.expose().to_owned())
}

/// What a text says as a mailed token of either purpose, a moment before their end.
fn read_mailed(text: &str) -> Vec<MailedToken> {
    let early = Timestamp::from_millis(END.millis() - 1);
    let open = |purpose| MailedToken::open(text, purpose, &Place::keyring(), early);
    MailedFor::ALL.into_iter().filter_map(open).collect()
}

/// Every single byte of a mailed token that is replaced, dropped or added.
#[test]
fn no_mailed_token_with_one_wrong_byte_is_one() {
    let mut tried = 0;
    for reset in [false, true] {
        let (token, text) = mailed(reset, [7; 16], 3, 1);
        assert_eq!(read_mailed(&text), [token]);
        assert_eq!(MailedToken::open(&text, token.purpose, &Place::keyring(), END), None);
        for at in 0..text.len() {
            let mut dropped = text.clone();
            dropped.remove(at);
            assert_eq!(read_mailed(&dropped), [], "{at}");
            for byte in 0x20_u8..0x7F {
                let mut longer = text.clone();
                longer.insert(at, char::from(byte));
                assert_eq!(read_mailed(&longer), [], "{at}");
                let other = with(&text, at, byte);
                assert!(other == text || read_mailed(&other).is_empty(), "{at}");
                tried += 2;
            }
        }
    }
    assert!(tried > 40_000, "{tried}");
}

/// Every single byte that is replaced, dropped or added, at every place of some credentials of each form.
#[test]
fn no_credential_with_one_wrong_byte_is_one_of_ours() {
    let (mut tried, visible) = (0, 0x21_u8..0x7F);
    for (form, seed) in CHECKED.into_iter().flat_map(|form| (0..6).map(move |seed| (form, seed))) {
        let text = issue(form, seed);
        for at in 0..text.len() {
            let (mut dropped, mut added) = (text.clone(), Vec::new());
            dropped.remove(at);
            for byte in visible.clone() {
                if text.as_bytes()[at] != byte {
                    added.push(with(&text, at, byte));
                }
                let mut longer = text.clone();
                longer.insert(at, char::from(byte));
                added.push(longer);
            }
            for damaged in added.iter().chain([&dropped]) {
                assert!(is_none_of_ours(damaged), "{form:?} {damaged}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 200_000, "{tried}");
}

/// What the real source of randomness gives: no two alike, and no place of them that is always the same, or nearly.
#[test]
fn a_hundred_thousand_secrets_of_the_real_source_are_all_different() {
    const EACH: usize = 25_000;
    let draws: [(usize, fn() -> RevealOnce); 4] = [
        (4, || draw_key(Service::Hub, &OsEntropy).0),
        (4, || draw_session(SessionKind::Widget, &OsEntropy)),
        (4, || draw_session(SessionKind::Chat, &OsEntropy)),
        (0, || draw_temp_token(&OsEntropy)),
    ];
    let mut all = HashSet::new();
    for (prefix, draw) in draws {
        let mut counts = vec![[0_usize; 128]; format::TOKEN_LEN];
        for _ in 0..EACH {
            let text = draw().reveal().expose().to_owned();
            for (at, byte) in text.bytes().enumerate().skip(prefix) {
                counts[at][usize::from(byte)] += 1;
            }
            assert!(all.insert(text[prefix..].to_owned()), "drawn twice");
        }
        for (at, counts) in counts.iter().enumerate().filter(|(_, counts)| counts.iter().any(|n| *n > 0)) {
            // Of a UUID, the hyphens and the version are fixed.
            let fixed = prefix == 0 && matches!(at, 8 | 13 | 14 | 18 | 23);
            let most = counts.iter().max().copied().unwrap_or_default();
            assert_eq!(most == EACH, fixed, "place {at}");
            // The first of the digits that hold 192 bits is one of three.
            assert!(fixed || most < EACH * 2 / 5, "place {at}: one of its characters is drawn {most} times");
        }
    }
    assert_eq!(all.len(), 4 * EACH);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_issued_reads_back((form, text) in any_issued()) {
        prop_assert_eq!(classify(&text), Ok(form));
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
        let length = if form == Form::Temp { 36 } else { format::TOKEN_LEN };
        prop_assert_eq!(text.len(), length);
    }

    #[test]
    fn a_mailed_token_reads_back_and_is_no_credential(
        reset in any::<bool>(), person in any::<[u8; 16]>(), version in any::<i64>(), seed in any::<u64>(),
    ) {
        let (token, text) = mailed(reset, person, version, seed);
        prop_assert_eq!(read_mailed(&text), [token]);
        prop_assert_eq!(classify(&text), Err(Malformed));
        prop_assert!(text.starts_with("avv_") && text.len() == 111);
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
    }

    #[test]
    fn a_damaged_mailed_token_is_none(
        reset in any::<bool>(), seed in any::<u64>(), at in any::<Index>(), to in any::<Index>(), flips in 1_u8..,
    ) {
        let (_, text) = mailed(reset, [7; 16], 3, seed);
        let (at, to) = (at.index(text.len()), to.index(text.len()));
        prop_assert_eq!(read_mailed(&text[..at]), []);
        prop_assert_eq!(read_mailed(&text[at.max(1)..]), []);
        prop_assert_eq!(read_mailed(&text.repeat(2)), []);
        let mut swapped = text.clone().into_bytes();
        swapped.swap(at, to);
        let swapped = String::from_utf8(swapped).unwrap();
        prop_assert!(swapped == text || read_mailed(&swapped).is_empty());
        // And beneath its letters.
        let mut bytes = data_encoding::BASE64URL_NOPAD.decode(&text.as_bytes()[4..]).unwrap();
        let place = at % bytes.len();
        bytes[place] ^= flips;
        let flipped = format!("avv_{}", data_encoding::BASE64URL_NOPAD.encode(&bytes));
        prop_assert_eq!(read_mailed(&flipped), []);
    }

    #[test]
    fn what_is_stored_of_a_key_follows_from_its_text(hub in any::<bool>(), seed in any::<u64>()) {
        let service = if hub { Service::Hub } else { Service::Chatbot };
        let (plain, stored) = draw_key(service, &SeededEntropy::new(seed));
        let digest = plain.digest();
        let text = plain.reveal().expose().to_owned();
        prop_assert!(stored.digest == digest && digest == TokenDigest::of(&text));
        prop_assert_eq!(&text[..service.key_prefix().len() + format::ID_LEN], &stored.prefix);
        prop_assert!(stored.prefix.starts_with(service.key_prefix()));
    }

    #[test]
    fn no_two_are_alike((_, one) in any_issued(), (_, two) in any_issued()) {
        prop_assert_ne!(one, two);
    }

    #[test]
    fn a_changed_byte_is_refused((form, text) in checked(), at in any::<Index>(), byte in 0x21_u8..0x7F) {
        let at = at.index(text.len());
        prop_assume!(text.as_bytes()[at] != byte);
        let damaged = with(&text, at, byte);
        prop_assert!(is_none_of_ours(&damaged), "{:?} {}", form, damaged);
        prop_assert!(at < 4 || classify(&damaged) == Err(Malformed));
    }

    #[test]
    fn a_flipped_case_is_refused((_, text) in checked(), at in any::<Index>()) {
        let at = at.index(text.len());
        let flipped = text.as_bytes()[at] ^ 0x20;
        prop_assume!(text.as_bytes()[at].is_ascii_alphabetic());
        prop_assert!(is_none_of_ours(&with(&text, at, flipped)));
        prop_assert!(is_none_of_ours(&text.to_uppercase()));
        prop_assert!(is_none_of_ours(&text.to_lowercase()));
    }

    #[test]
    fn neighbours_that_changed_places_are_refused((_, text) in checked(), at in any::<Index>()) {
        let at = at.index(text.len() - 1);
        let bytes = text.as_bytes();
        prop_assume!(bytes[at] != bytes[at + 1]);
        let damaged = with(&with(&text, at, bytes[at + 1]), at + 1, bytes[at]);
        prop_assert!(is_none_of_ours(&damaged), "{}", damaged);
    }

    #[test]
    fn a_dropped_byte_is_refused((_, text) in checked(), at in any::<Index>()) {
        let mut damaged = text;
        damaged.remove(at.index(damaged.len()));
        prop_assert!(is_none_of_ours(&damaged), "{}", damaged);
    }

    #[test]
    fn an_added_byte_is_refused((_, text) in checked(), at in any::<Index>(), byte in 0x21_u8..0x7F) {
        let mut damaged = text;
        damaged.insert(at.index(damaged.len() + 1), char::from(byte));
        prop_assert!(is_none_of_ours(&damaged), "{}", damaged);
    }

    #[test]
    fn what_was_cut_off_is_refused((_, text) in checked(), end in any::<Index>()) {
        let damaged = &text[..end.index(text.len())];
        prop_assert!(is_none_of_ours(damaged));
        prop_assert!(damaged.len() < 4 || classify(damaged) == Err(Malformed));
        prop_assert!(is_none_of_ours(&text[text.len() - damaged.len()..]));
        prop_assert_eq!(classify(text.repeat(2)), Err(Malformed));
    }

    #[test]
    fn another_kind_in_front_is_refused((form, text) in checked()) {
        for (other, prefix) in CHECKED.into_iter().zip(PREFIXES) {
            let swapped = format!("{prefix}{}", &text[4..]);
            prop_assert_eq!(classify(&swapped), if other == form { Ok(form) } else { Err(Malformed) });
        }
    }

    #[test]
    fn white_space_and_what_cannot_be_seen_is_refused(
        (_, text) in any_issued(),
        at in any::<Index>(),
        intruder in prop_oneof![
            Just(' '), Just('\t'), Just('\n'), Just('\r'), Just('\0'), Just('\u{7f}'), Just('\u{a0}'),
            Just('\u{200b}'), Just('\u{feff}'), Just('é'), Just('А'), Just('🔑'),
        ],
    ) {
        let at = at.index(text.len() + 1);
        let mut added = text.clone();
        added.insert(at, intruder);
        prop_assert_eq!(classify(&added), Err(Malformed));
        if let Some(replaced) = text.get(at + 1..) {
            prop_assert_eq!(classify(format!("{}{intruder}{replaced}", &text[..at])), Err(Malformed));
        }
        for padded in [format!(" {text}"), format!("{text} "), format!("{text}\r\n")] {
            prop_assert_eq!(classify(&padded), Err(Malformed));
        }
    }

    #[test]
    fn a_damaged_temporary_token_is_none_or_another(
        seed in any::<u64>(),
        at in any::<Index>(),
        byte in 0x21_u8..0x7F,
    ) {
        let text = issue(Form::Temp, seed);
        let at = at.index(text.len());
        prop_assume!(text.as_bytes()[at] != byte);
        let damaged = with(&text, at, byte);
        // It has no checksum: a changed digit is another token, which nobody was given.
        let digit = matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let fixed = matches!(at, 8 | 13 | 14 | 18 | 23) || (at == 19 && !b"89ab".contains(&byte));
        prop_assert_eq!(classify(&damaged) == Ok(Form::Temp), digit && !fixed, "{}", damaged);
        prop_assert!(TokenDigest::of(&damaged) != TokenDigest::of(&text));
        let upper = text.to_uppercase();
        prop_assert!(upper == text || classify(&upper) == Ok(Form::Legacy));
        let (mut longer, mut shorter) = (text.clone(), text);
        longer.insert(at, char::from(byte));
        shorter.remove(at);
        for damaged in [longer, shorter] {
            prop_assert_ne!(classify(&damaged), Ok(Form::Temp));
        }
    }

    #[test]
    fn any_text_is_judged_by_its_form_alone(text in any::<String>()) {
        match classify(&text) {
            Ok(Form::Legacy) => {
                prop_assert!((16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()));
            }
            Ok(form) => prop_assert!(false, "nobody issued {text:?}, which reads as {form:?}"),
            Err(Malformed) => {}
        }
    }

    #[test]
    fn what_begins_like_ours_and_was_not_issued_is_refused(at in 0..4_usize, rest in "[0-9A-Za-z]{0,60}") {
        let guess = format!("{}{rest}", PREFIXES[at]);
        prop_assert_eq!(classify(&guess), Err(Malformed));
    }
}
