//! Reads NV indices in chunks that every TPM accepts, with the authorisation that the index allows.

use tss_esapi::attributes::NvIndexAttributes;
use tss_esapi::constants::CapabilityType;
use tss_esapi::handles::{NvIndexHandle, NvIndexTpmHandle, TpmHandle};
use tss_esapi::interface_types::resource_handles::NvAuth;
use tss_esapi::structures::CapabilityData;

use super::connection::Vtpm;
use super::error::{Step, VtpmError};

/// Bytes per read; the TPM's own limit is never lower (PTP, `TPM_PT_NV_BUFFER_MAX`).
const CHUNK: usize = 512;

/// Upper limit for one index: certificates and templates are much smaller.
pub(super) const MAX_INDEX: usize = 8192;

impl Vtpm {
    /// Whether the NV index is defined. Reading it directly would make the TPM library log an error.
    pub(super) fn has_index(&mut self, index: u32) -> Result<bool, VtpmError> {
        let (data, _) = self
            .plain(Step::ListIndices, |context| context.get_capability(CapabilityType::Handles, index, 1))?;
        let CapabilityData::Handles(handles) = data else { return Ok(false) };
        Ok(handles.into_inner().into_iter().any(|handle| u32::from(handle) == index))
    }

    /// The whole content of the NV index.
    pub(super) fn read_index(&mut self, index: u32) -> Result<Vec<u8>, VtpmError> {
        let step = Step::ReadIndex(index);
        let (handle, public) = self.plain(step, |context| {
            let handle = TpmHandle::NvIndex(NvIndexTpmHandle::new(index)?);
            let handle = NvIndexHandle::from(context.tr_from_tpm_public(handle)?);
            let (public, _) = context.nv_read_public(handle)?;
            Ok((handle, public))
        })?;
        let size = public.data_size();
        if size > MAX_INDEX {
            return Err(VtpmError::IndexTooLarge { index, size, limit: MAX_INDEX });
        }
        let (first, second) = authorisations(handle, public.attributes());
        let read = self.read_whole(step, handle, size, first);
        match (read, second) {
            // An owner password, or an authorisation of the index, that is not empty.
            (Err(VtpmError::Tpm { .. }), Some(second)) => self.read_whole(step, handle, size, second),
            (outcome, _) => outcome,
        }
    }

    fn read_whole(
        &mut self,
        step: Step,
        handle: NvIndexHandle,
        size: usize,
        auth: NvAuth,
    ) -> Result<Vec<u8>, VtpmError> {
        let mut bytes = Vec::with_capacity(size);
        while bytes.len() < size {
            let length = piece(size - bytes.len());
            let offset = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
            let read = self.authorised(step, |context| context.nv_read(auth, handle, length, offset))?;
            if read.is_empty() {
                break;
            }
            bytes.extend_from_slice(&read);
        }
        Ok(bytes)
    }
}

/// The authorisations that may read an index, in the order in which they are tried. TPM 2.0 part 2, 13.4:
/// AUTHREAD is the index's own authorisation, OWNERREAD the owner's. A wrong value for the index's own counts
/// towards the TPM's lockout unless NO_DA is set; one for the owner's never does.
fn authorisations(handle: NvIndexHandle, attributes: NvIndexAttributes) -> (NvAuth, Option<NvAuth>) {
    let own = NvAuth::NvIndex(handle);
    match (attributes.auth_read(), attributes.owner_read()) {
        (true, true) if attributes.no_da() => (own, Some(NvAuth::Owner)),
        (true, true) => (NvAuth::Owner, Some(own)),
        (true, false) => (own, None),
        // Neither: the TPM's error says what it requires.
        (false, _) => (NvAuth::Owner, None),
    }
}

fn piece(left: usize) -> u16 {
    u16::try_from(left.min(CHUNK)).unwrap_or(u16::MAX)
}
