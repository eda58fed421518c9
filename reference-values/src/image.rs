//! EFI images: PE32+ files with their Authenticode digest, as measured by firmware and shim.
//!
//! The digest omits the checksum, the directory entry of the certificate table and the table itself (Windows
//! Authenticode Portable Executable Signature Format 1.0, "Calculating the PE Image Hash").

use std::ops::Range;

use authenticode::PeTrait as _;
use object::LittleEndian;
use object::pe::ImageSectionHeader;
use object::read::pe::PeFile64;
use vouchsafe_protocol::Digest32;

/// Why the digest of a file cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Larger than any image.
    #[error("an image of {found} bytes, at most {MAX_IMAGE} are read")]
    TooLarge {
        /// Its size.
        found: usize,
    },
    /// The file is not PE32+.
    #[error("not an EFI image (PE32+)")]
    NotPe,
    /// The headers extend beyond the file, or end before the data directories.
    #[error("the headers extend beyond the file")]
    Headers,
    /// A section extends beyond the file, or into the headers.
    #[error("section {number} extends beyond the file")]
    SectionBounds {
        /// Its number, from 1.
        number: usize,
    },
    /// Two sections overlap, or there are bytes between them that no digest covers.
    #[error("section {number} does not begin where the one before it ends")]
    SectionGap {
        /// Its number, from 1.
        number: usize,
    },
    /// The certificate table is not the end of the file.
    #[error("the certificate table is not at the end of the file")]
    CertificateTable,
}

/// An EFI image.
#[derive(Debug)]
pub struct EfiImage<'a> {
    file: PeFile64<'a>,
    bytes: &'a [u8],
    digest: Digest32,
}

impl<'a> EfiImage<'a> {
    /// Reads an image and computes its digest.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        if bytes.len() > MAX_IMAGE {
            return Err(ImageError::TooLarge { found: bytes.len() });
        }
        let file = PeFile64::parse(bytes).map_err(|_| ImageError::NotPe)?;
        let digest = digest(&file, bytes)?;
        Ok(Self { file, bytes, digest })
    }

    /// The Authenticode digest.
    #[must_use]
    pub const fn digest(&self) -> Digest32 {
        self.digest
    }

    /// Names and contents of the sections, in the order of their headers. A content has the length that it
    /// has in memory; `None` if the file has less.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&[u8], Option<&'a [u8]>)> {
        self.file.section_table().iter().map(|header| (header.raw_name(), content(header, self.bytes)))
    }
}

fn content<'a>(header: &ImageSectionHeader, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let start = usize::try_from(header.pointer_to_raw_data.get(LittleEndian)).ok()?;
    let raw = header.size_of_raw_data.get(LittleEndian);
    let size = header.virtual_size.get(LittleEndian);
    let end = start.checked_add(usize::try_from(size).ok().filter(|_| size <= raw)?)?;
    bytes.get(start..end)
}

fn digest(file: &PeFile64<'_>, bytes: &[u8]) -> Result<Digest32, ImageError> {
    let offsets = file.offsets().map_err(|_| ImageError::Headers)?;
    let header = |range: Range<usize>| bytes.get(range).ok_or(ImageError::Headers);
    // Steps 3 to 7 of the specification: headers without the checksum and the directory entry of the
    // certificate table.
    let mut parts = vec![
        header(0..offsets.check_sum)?,
        header(offsets.after_check_sum..offsets.security_data_dir)?,
        header(offsets.after_security_data_dir..offsets.after_header)?,
    ];
    // Steps 9 to 13: sections in the order of the file.
    let mut end = offsets.after_header;
    for (number, range) in sections(file)? {
        if range.start < end {
            let error = if range.start < offsets.after_header {
                ImageError::SectionBounds { number }
            } else {
                ImageError::SectionGap { number }
            };
            return Err(error);
        }
        // Firmware counts the bytes that it has hashed: if there were a gap, it would omit some bytes and
        // hash others twice.
        if range.start > end {
            return Err(ImageError::SectionGap { number });
        }
        end = range.end;
        parts.push(bytes.get(range).ok_or(ImageError::SectionBounds { number })?);
    }
    // Step 14: the remaining bytes, without the certificates.
    let table = file.certificate_table_range().map_err(|_| ImageError::CertificateTable)?;
    let rest = match table.filter(|table| !table.is_empty()) {
        Some(table) if table.end == bytes.len() && table.start >= end => end..table.start,
        Some(_) => return Err(ImageError::CertificateTable),
        None => end..bytes.len(),
    };
    parts.push(bytes.get(rest).ok_or(ImageError::CertificateTable)?);
    Ok(Digest32::of_parts(&parts))
}

/// Number and range of each section with content, in the order of the file.
fn sections(file: &PeFile64<'_>) -> Result<Vec<(usize, Range<usize>)>, ImageError> {
    let mut sections = Vec::new();
    for number in 1..=file.num_sections() {
        let range = file.section_data_range(number).map_err(|_| ImageError::SectionBounds { number })?;
        if !range.is_empty() {
            sections.push((number, range));
        }
    }
    sections.sort_by_key(|(_, range)| range.start);
    Ok(sections)
}

/// Upper limit of bytes; unified kernel images contain whole initrds.
pub(crate) const MAX_IMAGE: usize = 1 << 30;
