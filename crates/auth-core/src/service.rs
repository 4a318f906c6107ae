//! The two services that stand on the platform.

/// Which service a key belongs to. A service can load its own keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Assistant, calls, billing.
    Hub,
    /// The domain chatbot.
    Chatbot,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 2] = [Self::Hub, Self::Chatbot];

    /// Its name, as stored and as the realm of challenges (RFC 9110 §11.5).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Chatbot => "chatbot",
        }
    }
    /// What its API keys begin with.
    pub const fn key_prefix(self) -> &'static str {
        match self {
            Self::Hub => "avk_",
            Self::Chatbot => "avt_",
        }
    }
    /// The service of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
