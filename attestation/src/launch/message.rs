//! Google's messages (`endorsement.proto`), with the fields in use. Other fields are ignored.

use std::collections::BTreeMap;

/// `VMLaunchEndorsement`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VmLaunchEndorsement {
    /// A `VMGoldenMeasurement`, as signed.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) serialized_uefi_golden: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) signature: Vec<u8>,
}

/// `VMGoldenMeasurement`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VmGoldenMeasurement {
    #[prost(message, optional, tag = "1")]
    pub(crate) timestamp: Option<Timestamp>,
    #[prost(uint64, tag = "2")]
    pub(crate) cl_spec: u64,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) commit: Vec<u8>,
    /// DER.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) cert: Vec<u8>,
    /// SHA-384 of the firmware image.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) digest: Vec<u8>,
    /// PEM.
    #[prost(bytes = "vec", tag = "6")]
    pub(crate) ca_bundle: Vec<u8>,
    #[prost(message, optional, tag = "7")]
    pub(crate) sev_snp: Option<VmSevSnp>,
    #[prost(message, optional, tag = "8")]
    pub(crate) tdx: Option<VmTdx>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `VMSevSnp`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VmSevSnp {
    #[prost(uint32, tag = "1")]
    pub(crate) svn: u32,
    /// By number of vCPUs.
    #[prost(btree_map = "uint32, bytes", tag = "2")]
    pub(crate) measurements: BTreeMap<u32, Vec<u8>>,
}

/// `VMTdx`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VmTdx {
    #[prost(uint32, tag = "1")]
    pub(crate) svn: u32,
    #[prost(message, repeated, tag = "2")]
    pub(crate) measurements: Vec<VmTdxMeasurement>,
}

/// `VMTdx.Measurement`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct VmTdxMeasurement {
    /// The memory size that the measurement is for; 0 for any size.
    #[prost(uint32, tag = "1")]
    pub(crate) ram_gib: u32,
    #[prost(bool, tag = "2")]
    pub(crate) early_accept: bool,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) mrtd: Vec<u8>,
}
