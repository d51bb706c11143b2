//! Facts about the other end of a TLS connection, read once. Knows DER and nothing of trust.

use std::fmt::Write as _;

use der::{AnyRef, Decode, Reader, SliceReader, Tag, TagNumber, Tagged};
use ring::digest::{SHA256, digest};

/// The parts of a SubjectPublicKeyInfo that a signature check needs; all borrow from the certificate.
pub struct PublicKey<'a> {
    /// The whole SubjectPublicKeyInfo, as in the certificate: what the identity is the hash of.
    pub spki: &'a [u8],
    /// Contents of the AlgorithmIdentifier, without its outer tag and length.
    pub algorithm: &'a [u8],
    /// Contents of the BIT STRING, without the count of unused bits.
    pub key: &'a [u8],
}

/// Find the public key of a certificate of any X.509 version, whatever its dates, names and extensions say.
pub fn public_key(certificate: &[u8]) -> der::Result<PublicKey<'_>> {
    let outer = AnyRef::from_der(certificate)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut reader = SliceReader::new(outer.value())?;
    let tbs = AnyRef::decode(&mut reader)?;
    tbs.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(tbs.value())?;
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber::N0 };
    if fields.peek_tag()? == version {
        fields.tlv_bytes()?;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        fields.tlv_bytes()?;
    }
    split(fields.tlv_bytes()?)
}

fn split(spki: &[u8]) -> der::Result<PublicKey<'_>> {
    let outer = AnyRef::from_der(spki)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut fields = SliceReader::new(outer.value())?;
    let algorithm = AnyRef::decode(&mut fields)?;
    algorithm.tag().assert_eq(Tag::Sequence)?;
    let bits = AnyRef::decode(&mut fields)?;
    bits.tag().assert_eq(Tag::BitString)?;
    match bits.value().split_first() {
        Some((0, key)) => Ok(PublicKey { spki, algorithm: algorithm.value(), key }),
        _ => Err(Tag::BitString.value_error()),
    }
}

/// Lower-case hex SHA-256 of the certificate's SubjectPublicKeyInfo.
pub fn identity(certificate: &[u8]) -> der::Result<String> {
    let hash = digest(&SHA256, public_key(certificate)?.spki);
    let mut text = String::with_capacity(64);
    for byte in hash.as_ref() {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
    }
    Ok(text)
}

/// What the engine tells the application about a connection.
pub struct PeerFacts {
    pub address: String,
    pub identity: String,
    pub certificate: Option<Vec<u8>>,
    pub chain_length: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// version 1 (no version field), empty names, an Ed25519-shaped key of three bytes.
    const V1: &[u8] = &[
        0x30, 0x1e, 0x30, 0x1c, 0x02, 0x01, 0x01, 0x30, 0x03, 0x06, 0x01, 0x2a, 0x30, 0x00, 0x30, 0x00, 0x30,
        0x00, 0x30, 0x0c, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x03, 0x00, 0xaa, 0xbb,
    ];

    #[test]
    fn finds_the_key_of_a_version_1_certificate() {
        let found = public_key(V1).unwrap();
        assert_eq!(found.spki, &V1[18..]);
        assert_eq!(found.algorithm, &[0x06, 0x03, 0x2b, 0x65, 0x70]);
        assert_eq!(found.key, &[0xaa, 0xbb]);
        assert_eq!(identity(V1).unwrap().len(), 64);
    }

    #[test]
    fn refuses_what_is_not_a_certificate() {
        for end in 0..V1.len() {
            assert!(public_key(&V1[..end]).is_err(), "cut at {end}");
        }
        assert!(public_key(b"-----BEGIN CERTIFICATE-----").is_err());
    }
}
