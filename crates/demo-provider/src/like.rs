//! Whose behaviour an endpoint has.

/// The one directory whose accounts the Microsoft-like endpoints know: what their ID tokens say in `tid`.
pub const DIRECTORY: &str = "7d0e5c3a-2b41-4f6d-9a8e-0c1d2e3f4a5b";
/// Another one, which nobody here belongs to.
pub(crate) const OTHER_DIRECTORY: &str = "11111111-2222-4333-8444-555555555555";

const GOOGLE_CALENDAR: &str = "https://www.googleapis.com/auth/calendar.readonly";
const GOOGLE_EMAIL: &str = "https://www.googleapis.com/auth/userinfo.email";
const GOOGLE_PROFILE: &str = "https://www.googleapis.com/auth/userinfo.profile";
const GRAPH_CALENDAR: &str = "https://graph.microsoft.com/Calendars.Read";

/// Whose behaviour an endpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Like {
    Google,
    Microsoft,
}

impl Like {
    /// The scope that reads a calendar.
    pub(crate) const fn calendar_scope(self) -> &'static str {
        match self {
            Self::Google => GOOGLE_CALENDAR,
            Self::Microsoft => GRAPH_CALENDAR,
        }
    }
    /// A scope that no client here asks for.
    pub(crate) const fn other_scope(self) -> &'static str {
        match self {
            Self::Google => "https://www.googleapis.com/auth/drive",
            Self::Microsoft => "https://graph.microsoft.com/Mail.ReadWrite",
        }
    }
    /// What a scope that can be asked for is called in answers. Google's has longer names for two of them.
    pub(crate) fn scope(self, asked: &str) -> Option<&'static str> {
        Some(match (self, asked) {
            (_, "openid") => "openid",
            (Self::Google, "email" | GOOGLE_EMAIL) => GOOGLE_EMAIL,
            (Self::Google, "profile" | GOOGLE_PROFILE) => GOOGLE_PROFILE,
            (Self::Google, GOOGLE_CALENDAR) => GOOGLE_CALENDAR,
            (Self::Microsoft, "email") => "email",
            (Self::Microsoft, "profile") => "profile",
            (_, "offline_access") => "offline_access",
            (Self::Microsoft, "Calendars.Read" | GRAPH_CALENDAR) => GRAPH_CALENDAR,
            _ => return None,
        })
    }
    /// The scopes that discovery tells.
    pub(crate) const fn scopes(self) -> &'static [&'static str] {
        match self {
            // The last one for clients that know no more than discovery tells: Google's own ask by `access_type`.
            Self::Google => &["openid", "email", "profile", "offline_access"],
            Self::Microsoft => &["openid", "profile", "email", "offline_access"],
        }
    }
    /// Begins an authorization code, an access token and a refresh token: each provider's look another way.
    pub(crate) const fn prefixes(self) -> [&'static str; 3] {
        match self {
            Self::Google => ["4/0A", "ya29.", "1//0"],
            Self::Microsoft => ["1.A", "EwB", "M.C"],
        }
    }
}

/// Whether there is such a tenant.
pub(crate) fn is_tenant(name: &str) -> bool {
    matches!(name, "common" | "organizations" | DIRECTORY)
}

/// The issuer as a tenant's documents name it: those of many directories have a place to fill in.
pub(crate) fn microsoft_issuer(origin: &str, tenant: &str) -> String {
    let directory = if tenant == DIRECTORY { DIRECTORY } else { "{tenantid}" };
    format!("{origin}/{directory}/v2.0")
}
