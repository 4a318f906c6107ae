//! Closed sets whose members are sent and stored by their name.

/// Writes and reads a member of a closed set by its exact name: no case folding, no trimming.
macro_rules! by_name {
    ($($set:ty: $what:literal;)*) => {
        $(
            impl serde::Serialize for $set {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.name())
                }
            }

            impl<'de> serde::Deserialize<'de> for $set {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
                    let unknown = || serde::de::Error::custom(format!(concat!("unknown ", $what, " {:?}"), name));
                    Self::parse(&name).ok_or_else(unknown)
                }
            }
        )*
    };
}

by_name! {
    crate::policy::Permission: "permission";
    crate::policy::Role: "role";
    crate::model::Joining: "way of joining";
    crate::model::Status: "status";
}
