//! The end of a simulation: every final count against the store, a recount, and what was promised.

use std::{num::NonZero, sync::Arc};

use ballot::CountsStatus;
use tally::{Published, TallyContest};

use crate::{
    store::{Audit, Contract, Store},
    truth,
    world::World,
};

/// Looks at everything once more.
pub(crate) fn check(world: &World) {
    let (stored, documents) = match &world.store {
        Store::Cluster(cluster) => (cluster.all_batches(), cluster.all_documents()),
        Store::Disk(disk) => (disk.all_batches(), disk.all_documents()),
    };
    let audit = Arc::new(Audit::new(stored.clone(), documents));
    for plan in &world.plan.contests {
        let slug = plan.slug();
        let (Some(counts), Some(definition)) =
            (world.checker.last_row(&slug), world.checker.definition(&slug))
        else {
            continue;
        };
        if counts.status < CountsStatus::Final {
            continue;
        }
        let contest = TallyContest {
            slug: slug.clone(),
            contest: Arc::new(definition),
            channels: Vec::new(),
        };
        let control = Contract(Arc::clone(&audit) as _);
        // All that it asks is there.
        let published = futures_util::FutureExt::now_or_never(Published::load(&control, &slug));
        let published = match published {
            Some(Ok(published)) => published,
            other => {
                world.checker.wrong(format!("{slug}: its row cannot be read: {other:?}"));
                continue;
            }
        };
        let set = published.as_ref().and_then(|published| published.batches.clone());
        let threads = NonZero::<usize>::MIN;
        let recount = tally::recount(
            Arc::clone(&audit) as _,
            &contest,
            published.as_ref(),
            truth::now(),
            threads,
            &|_| (),
        );
        let recount = recount.map_err(|error| error.to_string());
        world.checker.check_final(&slug, &counts, set.as_deref(), &stored, recount);
    }
}
