//! Random bytes that must not be guessed.

/// Random bytes of the operating system.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A new key or token: 32 random bytes in hexadecimal.
pub(crate) fn new_key() -> String {
    blake3::Hash::from_bytes(random_bytes()).to_hex().to_string()
}
