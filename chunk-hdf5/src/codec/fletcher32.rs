//! The HDF5 Fletcher32 filter (number 3): four bytes of checksum behind the data.

use super::CodecError;

/// Bytes that the filter adds.
pub(crate) const CHECKSUM_LEN: usize = 4;

/// The data in front of the checksum, once the checksum agrees with it.
///
/// Libraries before 1.6.3 computed on little-endian machines a sum whose bytes are swapped within each half;
/// as the HDF5 library does, it is accepted too.
pub(crate) fn verified(stored: &[u8]) -> Result<&[u8], CodecError> {
    let Some((data, tail)) = stored.split_last_chunk::<CHECKSUM_LEN>() else {
        let part = "a chunk with Fletcher32 checksum";
        return Err(CodecError::Truncated { part, needed: CHECKSUM_LEN, found: stored.len() });
    };
    let stored = u32::from_le_bytes(*tail);
    let computed = checksum(data);
    if stored == computed || stored == swapped_within_halves(computed) {
        return Ok(data);
    }
    Err(CodecError::Checksum { stored, computed })
}

/// The checksum as `H5_checksum_fletcher32` computes it: sums modulo 65535 over big-endian 16-bit words, an
/// odd last byte being the high half of a word. A sum is 0 only if every word is 0, otherwise 1 to 65535.
pub(crate) fn checksum(data: &[u8]) -> u32 {
    let mut sums = Sums::default();
    let (rows, rest) = data.as_chunks::<ROW_LEN>();
    for block in rows.chunks(MOST_ROWS) {
        sums.add_rows(block);
    }
    let (words, odd) = rest.as_chunks::<2>();
    for word in words {
        sums.add_word(*word);
    }
    if let [last] = odd {
        sums.add_word([*last, 0]);
    }
    (sums.second << 16) | sums.first
}

/// Words that are summed side by side.
const LANES: usize = 16;
const ROW_LEN: usize = 2 * LANES;
/// Rows whose weighted sum fits 32 bits: 65535 * 256 * 257 / 2 < 2^32.
const MOST_ROWS: usize = 256;

/// Both running sums, each at most 65535.
#[derive(Default)]
struct Sums {
    first: u32,
    second: u32,
}

impl Sums {
    /// The definition.
    fn add_word(&mut self, word: [u8; 2]) {
        self.first = folded(u64::from(self.first) + u64::from(u16::from_be_bytes(word)));
        self.second = folded(u64::from(self.second) + u64::from(self.first));
    }

    /// Adds the words of at most [`MOST_ROWS`] rows. The second sum counts a word once for itself and once for
    /// every word behind it: in row `k` of `n`, lane `l`, that is `(n - k) * LANES - l` times.
    fn add_rows(&mut self, rows: &[[u8; ROW_LEN]]) {
        let mut sums = [0_u32; LANES];
        let mut weighted = [0_u32; LANES];
        for row in rows {
            for (lane, word) in row.as_chunks::<2>().0.iter().enumerate() {
                sums[lane] += u32::from(u16::from_be_bytes(*word));
                weighted[lane] += sums[lane];
            }
        }
        let mut second = u64::from(self.second) + (rows.len() * LANES) as u64 * u64::from(self.first);
        let mut first = u64::from(self.first);
        for (lane, (sum, weighted)) in sums.into_iter().zip(weighted).enumerate() {
            second += LANES as u64 * u64::from(weighted) - lane as u64 * u64::from(sum);
            first += u64::from(sum);
        }
        self.second = folded(second);
        self.first = folded(first);
    }
}

/// `sum` modulo 65535, where a sum that is not 0 stays not 0.
fn folded(sum: u64) -> u32 {
    let mut sum = sum;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u32::try_from(sum).expect("folded to 16 bits")
}

fn swapped_within_halves(sum: u32) -> u32 {
    ((sum & 0x00ff_00ff) << 8) | ((sum & 0xff00_ff00) >> 8)
}

#[cfg(test)]
mod tests {
    use super::super::samples::c_data;
    use super::*;

    /// What h5py 3.16 stored behind a chunk of `c_data` of each length.
    const STORED: [(usize, u32); 13] = [
        (1, 0xdc00_dc00),
        (2, 0xdc04_dc04),
        (3, 0x1d0a_4105),
        (31, 0x7280_6e3a),
        (32, 0x72c6_6e80),
        (33, 0x5947_e680),
        (100, 0xedac_c60f),
        (720, 0x5c44_473a),
        (721, 0xcc7e_703a),
        (8191, 0x2e56_6001),
        (8192, 0x2eed_6098),
        (8193, 0xe885_b998),
        (100_001, 0xd049_d3fd),
    ];

    #[test]
    fn agrees_with_the_hdf5_library() {
        for (len, stored) in STORED {
            assert_eq!(checksum(&c_data(len)), stored, "{len} bytes");
        }
    }

    #[test]
    fn zeros_and_ones_keep_their_two_representations_of_nothing() {
        assert_eq!(checksum(&[0; 1000]), 0);
        assert_eq!(checksum(&[0xff; 1000]), 0xffff_ffff);
        assert_eq!(checksum(&vec![0xff; 100_001]), 0xff00_ff00);
    }

    #[test]
    fn accepts_the_sum_of_libraries_before_1_6_3() {
        let mut stored = c_data(100);
        stored.extend([0xc6, 0x0f, 0xed, 0xac]);
        assert_eq!(verified(&stored).unwrap().len(), 100);
    }

    #[test]
    fn every_flipped_bit_is_a_checksum_error() {
        let mut stored = c_data(100);
        stored.extend(0xedac_c60f_u32.to_le_bytes());
        assert_eq!(verified(&stored).unwrap().len(), 100);
        for bit in 0..8 * stored.len() {
            stored[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(verified(&stored), Err(CodecError::Checksum { .. })), "bit {bit}");
            stored[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn refuses_chunks_shorter_than_a_checksum() {
        assert!(matches!(verified(&[1, 2, 3]), Err(CodecError::Truncated { needed: 4, found: 3, .. })));
    }
}
