//! Follows the frame headers of an HTTP/2 connection, to see a header block that never ends. Knows no more of
//! HTTP/2 than that; the protocol itself is hyper's.

const PREFACE: usize = 24;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

pub struct Frames {
    skip: usize,
    head: [u8; 9],
    have: usize,
    /// A header block has begun and its last frame has not been read whole.
    open: bool,
    ends: bool,
}

impl Frames {
    pub fn new() -> Self {
        Self { skip: PREFACE, head: [0; 9], have: 0, open: false, ends: false }
    }

    /// Take the next bytes read; true while a header block is open after them.
    pub fn read(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let step = self.skip.min(bytes.len());
                self.skip -= step;
                bytes = &bytes[step..];
                self.finish();
                continue;
            }
            let step = (9 - self.have).min(bytes.len());
            self.head[self.have..self.have + step].copy_from_slice(&bytes[..step]);
            self.have += step;
            bytes = &bytes[step..];
            if self.have == 9 {
                self.have = 0;
                self.skip = usize::from(self.head[0]) << 16
                    | usize::from(self.head[1]) << 8
                    | usize::from(self.head[2]);
                if matches!(self.head[3], HEADERS | CONTINUATION) {
                    self.open = true;
                    self.ends = self.head[4] & END_HEADERS != 0;
                }
                self.finish();
            }
        }
        self.open
    }

    fn finish(&mut self) {
        if self.skip == 0 && self.ends {
            self.open = false;
            self.ends = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, 1];
        bytes.resize(9 + payload, 0xff);
        bytes
    }

    #[test]
    fn a_block_is_open_until_its_last_byte_however_it_is_cut() {
        let settings = [vec![0; PREFACE], frame(4, 0, 6)].concat();
        let block = [frame(HEADERS, 1, 300), frame(CONTINUATION, END_HEADERS, 40)].concat();
        for size in [1, 2, 7, 9, 10, 1000] {
            let mut frames = Frames::new();
            for part in settings.chunks(size) {
                assert!(!frames.read(part));
            }
            for part in block[..block.len() - 1].chunks(size) {
                frames.read(part);
            }
            assert!(frames.open);
            assert!(!frames.read(&block[block.len() - 1..]));
            assert!(!frames.read(&frame(6, 0, 8)));
        }
    }

    #[test]
    fn a_whole_head_in_one_frame_closes_itself() {
        let mut frames = Frames::new();
        frames.read(&[0; PREFACE]);
        assert!(!frames.read(&frame(HEADERS, END_HEADERS, 0)));
        assert!(!frames.read(&frame(HEADERS, END_HEADERS, 12)));
    }
}
