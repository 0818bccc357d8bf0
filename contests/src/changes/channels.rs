//! A gateway's channel gets a key.

use ballot::{InvalidDefinition, Slug, limits, random_bytes};
use store::{Read, StoreError, Version};

use super::change::{ContestError, TRIES, too_many_changes};
use crate::{
    contests::Contests,
    documents::{Channel, ChannelsDocument, key, parse, written},
};

impl Contests {
    /// Gives a gateway's channel a new key, and returns it; the old one, if any, opens nothing
    /// from now on.
    pub async fn new_channel_key(
        &self,
        slug: &Slug,
        channel: &Slug,
    ) -> Result<String, ContestError> {
        let secret = blake3::Hash::from_bytes(random_bytes(&*self.entropy)).to_hex().to_string();
        let key_hash = *blake3::hash(secret.as_bytes()).as_bytes();
        let path = key("channels", slug);
        for _ in 0..TRIES {
            let contest = self.stored(slug).await?.ok_or(ContestError::NotFound)?.contest;
            let stored = self.control.get(&path, Read::Serial).await?;
            let version = stored.as_ref().map_or(Version::NONE, |document| document.version);
            let mut document: ChannelsDocument = match &stored {
                Some(document) => parse(slug, &document.body)?,
                None => ChannelsDocument::default(),
            };
            document = document.of(contest.edition.as_deref());
            document.edition = contest.edition;
            match document.channels.iter().position(|known| known.channel == *channel) {
                Some(position) => document.channels[position].key_hash = key_hash,
                None if document.channels.len() == limits::CHANNELS_MAX => {
                    let detail = format!("a contest has at most {} channels", limits::CHANNELS_MAX);
                    return Err(InvalidDefinition::new("channel", detail).into());
                }
                None => document.channels.push(Channel { channel: channel.clone(), key_hash }),
            }
            match self.control.compare_and_swap(&path, version, written(&document)).await {
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => {
                    self.refresh().await?;
                    return Ok(secret);
                }
            }
        }
        Err(too_many_changes().into())
    }
}
