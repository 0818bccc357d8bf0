//! Looking at one contest's documents for whoever asks for it, where what is known here is not enough:
//! two small reads, and not the list of all contests. Anybody can ask for names that do not exist.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ballot::{Moment, NodeClock, Slug};
use futures_util::future::try_join;
use store::{ControlStore, Read, StoreError, Version};
use tokio::sync::Mutex;

use crate::documents::key;

/// How old a look may be before the documents are looked at again for whoever asks: another node may
/// just have made or opened the contest.
pub(crate) const RECHECK: Duration = Duration::from_millis(200);
/// Names that are looked at within [`RECHECK`]. Who asks for more waits for the next refresh, which comes
/// each second whoever asks.
const NAMES_MAX: usize = 16;

/// What looks have found lately, by name.
#[derive(Debug, Default)]
pub(crate) struct Looks(parking_lot::Mutex<HashMap<Slug, Arc<Look>>>);

/// When a name was looked at last, and what was found. Held by whoever looks, for all who wait.
type Look = Mutex<Option<(Moment, Looked)>>;

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// There is no such contest.
    Nothing,
    /// The versions of its definition and of its channels.
    There((Version, Version)),
    /// The store did not say.
    Away,
}

impl Looks {
    /// Looks at a contest's documents, not before `asked`. However many wait, one look serves them all,
    /// also one that fails, and there are at most five a second. `None`: too many other names are being
    /// looked at.
    pub(crate) async fn look(
        &self,
        control: &dyn ControlStore,
        clock: &NodeClock,
        slug: &Slug,
        asked: Moment,
    ) -> Option<Looked> {
        let look = self.of(slug, asked)?;
        let mut last = look.lock().await;
        if let Some((began, looked)) = *last {
            if began >= asked {
                return Some(looked);
            }
            tokio::time::sleep(RECHECK.saturating_sub(clock.moment().since(began))).await;
        }
        let began = clock.moment();
        let looked = look_now(control, slug).await.unwrap_or(Looked::Away);
        *last = Some((began, looked));
        Some(looked)
    }

    /// The name's own; `None` if too many others are looked at now.
    fn of(&self, slug: &Slug, now: Moment) -> Option<Arc<Look>> {
        let mut looks = self.0.lock();
        if looks.len() >= NAMES_MAX && !looks.contains_key(slug) {
            looks.retain(|_, look| is_young(look, now));
            if looks.len() >= NAMES_MAX {
                return None;
            }
        }
        Some(Arc::clone(looks.entry(slug.clone()).or_default()))
    }
}

fn is_young(look: &Arc<Look>, now: Moment) -> bool {
    let is_old =
        |last: Option<(Moment, Looked)>| last.is_none_or(|(began, _)| now.since(began) >= RECHECK);
    // One that is held is being looked at, or waited for.
    Arc::strong_count(look) > 1 || !look.try_lock().is_ok_and(|last| is_old(*last))
}

/// Both documents, also where there is no first: a name that is kept secret takes as long as one
/// that does not exist.
async fn look_now(control: &dyn ControlStore, slug: &Slug) -> Result<Looked, StoreError> {
    let (contest, channels) = (key("contest", slug), key("channels", slug));
    let both = try_join(control.get(&contest, Read::Quorum), control.get(&channels, Read::Quorum));
    let (contest, channels) = both.await?;
    Ok(contest.map_or(Looked::Nothing, |contest| {
        let channels = channels.map_or(Version::NONE, |channels| channels.version);
        Looked::There((contest.version, channels))
    }))
}
