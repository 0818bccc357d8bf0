//! Random bytes, as the domain asks for them: whoever builds a node says where they come from.

/// A source of random bytes that nobody can guess and that never gives the same twice: a batch id that
/// came twice would overwrite a batch, and a contest's key hides who its voters are.
pub trait Entropy: Send + Sync + 'static {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// So many random bytes.
pub fn random_bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
