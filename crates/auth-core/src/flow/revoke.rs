//! Ending credentials: when a flow here has answered, no process accepts them.

use super::Platform;
use crate::{
    error::{Denial, FlowError},
    id::{KeyId, TokenId},
    model::{Account, Domain, Status},
    policy::{Allows, Proof, grant},
    port::{RevokeKey, RevokeToken, Seq, SuspendAccount, SuspendDomain},
    service::Service,
};

/// Ends a key with all its secrets, and all that it minted. Ending it again is no error.
///
/// # Errors
/// [`Denial::Absent`] for a key that is not the caller's.
pub async fn revoke_key<R: Allows<RevokeKey>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    service: Service,
    id: KeyId,
) -> Result<(), FlowError> {
    let key = platform.stores.keys.read(service, proof.scope(), id).await?.ok_or(Denial::Absent)?;
    let granted = grant::<RevokeKey, R>(proof, &key)?;
    settle_all(platform, platform.stores.keys.revoke(&granted, platform.now()).await?).await
}

/// Ends a temporary token with the sessions that it opened, or a session. Ending it again is no error.
///
/// # Errors
/// [`Denial::Absent`] for a token that is not the caller's.
pub async fn revoke_token<R: Allows<RevokeToken>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    id: TokenId,
) -> Result<(), FlowError> {
    let token = platform.stores.tokens.read(proof.scope(), id).await?.ok_or(Denial::Absent)?;
    let granted = grant::<RevokeToken, R>(proof, &token)?;
    settle_all(platform, platform.stores.tokens.revoke(&granted, platform.now()).await?).await
}

/// Suspends an account, or revives it: all its keys, and those and the tokens of its domains, follow.
///
/// # Errors
/// [`Denial::Absent`] for an account that is not the caller's to suspend.
pub async fn set_account_status<R: Allows<SuspendAccount>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    account: &Account,
    status: Status,
) -> Result<(), FlowError> {
    let granted = grant::<SuspendAccount, R>(proof, account)?;
    let seq = platform.stores.accounts.set_status(&granted, status, platform.now()).await?;
    platform.validator.settle(seq).await
}

/// Suspends a domain, or revives it: all its keys and tokens follow.
///
/// # Errors
/// [`Denial::Absent`] for a domain that is not the caller's to suspend.
pub async fn set_domain_status<R: Allows<SuspendDomain>>(
    platform: &Platform,
    proof: &Proof<'_, R>,
    domain: &Domain,
    status: Status,
) -> Result<(), FlowError> {
    let granted = grant::<SuspendDomain, R>(proof, domain)?;
    let seq = platform.stores.domains.set_status(&granted, status, platform.now()).await?;
    platform.validator.settle(seq).await
}

/// Settles what was ended now; what was ended before may still be on its way at another process, so the head
/// of the stream is settled instead.
pub(super) async fn settle_all(platform: &Platform, ended: Option<Seq>) -> Result<(), FlowError> {
    let seq = match ended {
        Some(seq) => seq,
        None => platform.stores.revocations.head().await?,
    };
    platform.validator.settle(seq).await
}
