//! bcrypt, on threads of its own: as many as there are cores, at the lowest priority, and only so many in line.
//!
//! A thread of a server that hashed would serve nobody meanwhile; and where all cores hash, whoever serves goes first.

use auth_core::{
    credential::{Password, PasswordHash, Presented},
    entropy::Entropy,
    error::{FlowError, StoreError},
    port::Passwords,
};
use std::{
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// What a new hash costs: two to the power of this many rounds, a quarter of a second of a core.
pub const COST: u32 = 12;

/// So many hashes wait for each thread at the most: whoever comes then would wait for seconds.
const WAITING: usize = 16;
/// When somebody who was sent away may come again.
const AGAIN: Duration = Duration::from_secs(2);
/// The nice value of the threads: below everything that serves.
const NICE: i32 = 19;

type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end when it is dropped.
pub struct Pool {
    jobs: SyncSender<Job>,
    /// How many wait, about.
    waiting: Arc<AtomicUsize>,
    /// How many may.
    most: usize,
    entropy: Arc<dyn Entropy>,
    cost: u32,
    /// The hash of a password that nobody has, of today's cost.
    decoy: PasswordHash,
}

impl Pool {
    /// Starts a thread for each core. `cost` is [`COST`], but for tests.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(entropy: Arc<dyn Entropy>, cost: u32) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let most = threads * WAITING;
        let (jobs, received) = sync_channel(most);
        let received = Arc::new(Mutex::new(received));
        for number in 0..threads {
            let received = Arc::clone(&received);
            let name = format!("passwords-{number}");
            std::thread::Builder::new().name(name).spawn(move || work(&received))?;
        }
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(secret.as_mut_slice());
        let text: String = secret.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        let decoy = hashed(&text, cost, entropy.as_ref()).map_err(std::io::Error::other)?;
        Ok(Self { jobs, waiting: Arc::default(), most, entropy, cost, decoy })
    }

    /// Runs something on a thread of the pool.
    async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, FlowError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Arc::clone(&self.waiting);
        let job: Job = Box::new(move || {
            waiting.fetch_sub(1, Ordering::Relaxed);
            // Whoever asked may have gone: then nothing is hashed.
            if !answer.is_closed() {
                let _ = answer.send(job());
            }
        });
        let unavailable =
            || FlowError::from(StoreError::Unavailable("the hashing threads have stopped".to_owned()));
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.try_send(job).map_err(|refused| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match refused {
                TrySendError::Full(_) => FlowError::Busy(AGAIN),
                TrySendError::Disconnected(_) => unavailable(),
            }
        })?;
        answered.await.map_err(|_| unavailable())
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    // Where the system does not let it, hashes are as important as requests: slower for those, and no less safe.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // A panic is this job's alone: whoever waits for it is told that there is no answer.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

/// The costs of hashes that, made after one of `cost`, take with it as long as one of `today`: each costs twice as much as
/// the one before it, and the first as much as that one. None where it cost as much or more.
fn made_up(cost: u32, today: u32) -> std::ops::Range<u32> {
    cost..today
}

/// bcrypt reads 72 bytes, and our types hold no more: so its functions that would cut do not, and take 72, which those
/// that refuse to cut do not.
fn hashed(text: &str, cost: u32, entropy: &dyn Entropy) -> Result<PasswordHash, String> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt);
    let parts = bcrypt::hash_with_salt(text, cost, salt).map_err(|error| error.to_string())?;
    parts.format_for_version(bcrypt::Version::TwoB).parse().map_err(str::to_owned)
}

/// Hashes one password, on the thread that calls: for whoever serves nobody.
///
/// # Errors
/// What the library says.
pub fn hash(password: &Password, entropy: &dyn Entropy) -> Result<PasswordHash, String> {
    hashed(password.as_presented().expose(), COST, entropy)
}

#[async_trait::async_trait]
impl Passwords for Pool {
    async fn hash(&self, password: &Password) -> Result<PasswordHash, FlowError> {
        let (password, cost, entropy) = (password.clone(), self.cost, Arc::clone(&self.entropy));
        let hashed =
            self.run(move || hashed(password.as_presented().expose(), cost, entropy.as_ref())).await?;
        Ok(hashed.map_err(StoreError::Unavailable)?)
    }

    async fn verify(
        &self,
        presented: Option<&Presented>,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, FlowError> {
        let today = self.cost;
        let real = hash.is_some() && presented.is_some();
        let (presented, hash) = (presented.cloned(), hash.unwrap_or(&self.decoy).clone());
        let verified = self.run(move || {
            let text = presented.as_ref().map_or("nobody's password", Presented::expose);
            let good = bcrypt::verify(text, hash.as_str())?;
            // Whoever knows the password learns that its hash is an old one; nobody else does.
            for cost in made_up(hash.cost(), today).filter(|_| !good) {
                std::hint::black_box(bcrypt::hash_with_salt(text, cost, [0; 16])?);
            }
            Ok::<_, bcrypt::BcryptError>(good)
        });
        Ok(verified.await?.map_err(|error| StoreError::Damaged(error.to_string()))? && real)
    }

    fn room(&self) -> Result<(), FlowError> {
        if self.waiting.load(Ordering::Relaxed) < self.most { Ok(()) } else { Err(FlowError::Busy(AGAIN)) }
    }

    fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.cost() < self.cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_web::system::OsEntropy;

    fn pool() -> Pool {
        Pool::start(Arc::new(OsEntropy), 4).unwrap()
    }

    #[tokio::test]
    async fn a_password_is_verified_by_its_hash_alone() {
        let pool = pool();
        let long = "seven quiet walruses painted a violet tapir under some very old oak bridges";
        for text in [&long[..20], &long[..71], &long[..72]] {
            let hash = pool.hash(&Password::new(text, &[]).unwrap()).await.unwrap();
            assert!(hash.as_str().starts_with("$2b$04$"));
            let verify =
                async |text: &str| pool.verify(Presented::new(text).as_ref(), Some(&hash)).await.unwrap();
            assert!(verify(text).await, "{} bytes", text.len());
            assert!(
                !verify(&text[..text.len() - 1]).await
                    && !verify("").await
                    && !verify(&text.to_uppercase()).await
            );
            assert!(!verify(&format!("{text}{}", "y".repeat(72))).await);
            assert!(!pool.verify(Presented::new(text).as_ref(), None).await.unwrap());
        }
        assert!(!pool.verify(None, None).await.unwrap());
    }

    /// Made by another program: those that the authors of crypt_blowfish test theirs with.
    #[tokio::test]
    async fn hashes_of_the_earlier_system_verify() {
        let pool = pool();
        for (text, hash) in [
            ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
            ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
            ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
        ] {
            for version in ["$2a$", "$2b$", "$2y$"] {
                let hash: PasswordHash = hash.replacen("$2a$", version, 1).parse().unwrap();
                assert!(pool.verify(Presented::new(text).as_ref(), Some(&hash)).await.unwrap(), "{version}");
            }
        }
    }

    #[test]
    fn a_wrong_password_costs_the_same_whatever_its_hash_cost() {
        for today in 4..=COST {
            for cost in 4..=today {
                let rounds: u64 = made_up(cost, today).map(|cost| 1 << cost).sum();
                assert_eq!((1 << cost) + rounds, 1_u64 << today, "{cost} of {today}");
            }
        }
    }

    #[tokio::test]
    async fn who_would_wait_too_long_is_sent_away() {
        let pool = Arc::new(Pool::start(Arc::new(OsEntropy), 10).unwrap());
        let wanted = std::thread::available_parallelism().map_or(1, NonZero::get) * (WAITING + 1) * 2;
        let tasks: Vec<_> = (0..wanted)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.verify(None, None).await })
            })
            .collect();
        let mut sent_away = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(good) => assert!(!good),
                Err(error) => {
                    assert_eq!(error, FlowError::Busy(AGAIN));
                    sent_away += 1;
                }
            }
        }
        assert!(sent_away > 0 && sent_away < wanted, "{sent_away} of {wanted}");
        assert_eq!(pool.verify(None, None).await, Ok(false), "and then there is room again");
    }

    #[tokio::test]
    async fn whether_there_is_room_is_told_before_anything_is_done() {
        let pool = Arc::new(pool());
        let (open, shut) = sync_channel::<()>(0);
        let gate = Arc::new(Mutex::new(shut));
        let mut waiting = Vec::new();
        while pool.room().is_ok() {
            let (pool, gate) = (Arc::clone(&pool), Arc::clone(&gate));
            waiting.push(tokio::spawn(async move { pool.run(move || gate.lock().unwrap().recv()).await }));
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.room(), Err(FlowError::Busy(AGAIN)));
        assert_eq!(pool.verify(None, None).await, Err(FlowError::Busy(AGAIN)), "and so it is");
        drop(open);
        for one in waiting {
            assert!(one.await.unwrap().unwrap().is_err(), "nothing was sent");
        }
        assert_eq!((pool.room(), pool.waiting.load(Ordering::Relaxed)), (Ok(()), 0));
    }
}
