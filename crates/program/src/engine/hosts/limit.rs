//! The time that an engine gives to a program, and the notice of its end.

use std::time::Duration;

/// How long is left; nothing where there is no limit, or none is told. It may ask the engine, and take a while.
type Left = Box<dyn FnMut() -> Option<Duration> + Send>;

/// How often it is asked at least: an operator may change a limit while the program runs.
const LOOK: Duration = Duration::from_secs(300);

/// A limit that may move.
pub(crate) struct Limit {
    /// How much of it is kept for coming to an end.
    pub(crate) notice: Duration,
    pub(crate) left: Left,
}

impl Limit {
    /// Returns when no more is left than the notice; never where there is no limit.
    pub(crate) async fn near(self) {
        let Self { notice, mut left } = self;
        loop {
            let asked = tokio::task::spawn_blocking(move || {
                let answer = left();
                (answer, left)
            });
            let Ok((Some(rest), again)) = asked.await else { return std::future::pending().await };
            left = again;
            match until_next_look(rest, notice) {
                Duration::ZERO => return,
                wait => tokio::time::sleep(wait).await,
            }
        }
    }
}

/// How long to wait with this much time left; nothing once it is no more than the notice.
fn until_next_look(left: Duration, notice: Duration) -> Duration {
    left.saturating_sub(notice).min(LOOK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notice_is_given_in_time_and_a_limit_that_moved_is_seen() {
        let wait = |left: u64, notice: u64| {
            until_next_look(Duration::from_secs(left), Duration::from_secs(notice)).as_secs()
        };
        assert_eq!((wait(4000, 60), wait(100, 60), wait(60, 60), wait(0, 60)), (300, 40, 0, 0));
    }

    #[tokio::test]
    async fn notice_is_given_once_the_time_is_near() {
        let mut answers = [Duration::from_millis(30), Duration::from_millis(10)].into_iter();
        let left = Box::new(move || answers.next());
        Limit { notice: Duration::from_millis(10), left }.near().await;
    }

    #[tokio::test]
    async fn without_a_limit_there_is_no_notice() {
        let near = Limit { notice: Duration::ZERO, left: Box::new(|| None) }.near();
        assert!(tokio::time::timeout(Duration::from_millis(50), near).await.is_err());
    }
}
