//! Small EFI images with the digest that firmware would measure, computed from the parts that the image is
//! made of and not by parsing it.

use vouchsafe_protocol::Digest32;

/// A PE32+ image to build, with consecutive sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageBuilder {
    /// Names and contents.
    pub sections: Vec<(String, Vec<u8>)>,
    /// Bytes after the sections that the digest covers.
    pub trailer: Vec<u8>,
    /// Content of the certificate table, which the digest does not cover.
    pub certificates: Vec<u8>,
    /// The checksum, which the digest does not cover.
    pub checksum: u32,
}

impl ImageBuilder {
    /// An image that holds `code`.
    #[must_use]
    pub fn program(code: &[u8]) -> Self {
        Self::default().section(".text", code)
    }

    /// An image like systemd's stub, which contains the names of these sections.
    #[must_use]
    pub fn stub(known: &[&str]) -> Self {
        let names: String = known.iter().map(|name| format!("{name}\0")).collect();
        Self::program(b"systemd-stub").section(".rodata", names.as_bytes())
    }

    /// The same with a version, like systemd's stub.
    #[must_use]
    pub fn stub_of(version: u32, known: &[&str]) -> Self {
        let magic = format!("#### LoaderInfo: systemd-stub {version}.1-1 ####");
        Self::stub(known).section(".sdmagic", magic.as_bytes())
    }

    /// An image like GRUB of this version, according to its section .sbat.
    #[must_use]
    pub fn grub(version: &str) -> Self {
        let sbat =
            format!("sbat,1,SBAT Version,sbat,1,url\ngrub,5,Free Software Foundation,grub,{version},url\n");
        Self::program(b"grub").section(".sbat", sbat.as_bytes())
    }

    /// With another section.
    #[must_use]
    pub fn section(mut self, name: &str, content: &[u8]) -> Self {
        self.sections.push((name.to_owned(), content.to_vec()));
        self
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut file = self.covered();
        let certificates = u32::try_from(file.len()).expect("small") + SKIPPED;
        file.splice(CHECKSUM..CHECKSUM, self.checksum.to_le_bytes());
        let directory = match self.certificates.len() {
            0 => [0; 8],
            size => {
                let size = u64::from(u32::try_from(size).expect("small"));
                (size << 32 | u64::from(certificates)).to_le_bytes()
            }
        };
        file.splice(DIRECTORY..DIRECTORY, directory);
        file.extend(&self.certificates);
        file
    }

    /// The digest that firmware measures.
    #[must_use]
    pub fn digest(&self) -> Digest32 {
        Digest32::of(&self.covered())
    }

    /// The bytes that the digest covers.
    #[must_use]
    pub fn covered(&self) -> Vec<u8> {
        self.covered_parts().concat()
    }

    /// Headers without the checksum and the directory entry of the certificate table, contents, trailer.
    fn covered_parts(&self) -> Vec<Vec<u8>> {
        let mut headers = self.headers();
        headers.drain(DIRECTORY..DIRECTORY + 8);
        headers.drain(CHECKSUM..CHECKSUM + 4);
        let contents = self.sections.iter().map(|(_, content)| padded(content));
        [headers].into_iter().chain(contents).chain([self.trailer.clone()]).collect()
    }

    /// PE format, "File Headers": DOS header, signature, COFF header, optional header, section table.
    fn headers(&self) -> Vec<u8> {
        let mut out = vec![0; 0x40];
        out.splice(0..2, *b"MZ");
        out.splice(0x3c..0x40, 0x40_u32.to_le_bytes());
        out.extend(b"PE\0\0");
        out.extend(0x8664_u16.to_le_bytes());
        out.extend(u16::try_from(self.sections.len()).expect("few").to_le_bytes());
        out.extend([0; 12]);
        out.extend(OPTIONAL_HEADER.to_le_bytes());
        out.extend([0x22, 0]);
        let mut optional = vec![0; usize::from(OPTIONAL_HEADER)];
        optional.splice(0..2, 0x20b_u16.to_le_bytes());
        optional.splice(60..64, HEADERS.to_le_bytes());
        optional.splice(108..112, 16_u32.to_le_bytes());
        out.extend(optional);
        let (mut place, mut address) = (HEADERS, 0x1000_u32);
        for (name, content) in &self.sections {
            let (size, raw) = (content.len(), padded(content).len());
            let (size, raw) = (u32::try_from(size).expect("small"), u32::try_from(raw).expect("small"));
            let mut header = name.as_bytes().to_vec();
            header.resize(8, 0);
            for field in [size, address, raw, place] {
                header.extend(field.to_le_bytes());
            }
            header.resize(40, 0);
            out.extend(header);
            (place, address) = (place + raw, address + raw.next_multiple_of(0x1000));
        }
        out.resize(usize::try_from(HEADERS).expect("small"), 0);
        out
    }
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut content = content.to_vec();
    content.resize(content.len().next_multiple_of(0x200), 0);
    content
}

/// Bytes of all headers.
const HEADERS: u32 = 0x400;
const OPTIONAL_HEADER: u16 = 240;
/// Offset of the optional header: after DOS header, signature and COFF header.
const OPTIONAL: usize = 0x40 + 4 + 20;
/// Place of the checksum.
pub const CHECKSUM: usize = OPTIONAL + 64;
/// Offset of the certificate table's entry, the fifth of the data directories.
pub const DIRECTORY: usize = OPTIONAL + 112 + 4 * 8;
/// Bytes of the headers that the digest omits.
const SKIPPED: u32 = 12;
