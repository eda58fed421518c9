//! Intel TDX: quotes, and the collateral that they are judged by.

mod claims;
mod collateral;

pub use self::claims::TcbStatus;
pub use self::claims::TdAttributes;
pub use self::claims::TdxClaims;
pub use self::claims::TdxTcb;
pub use self::collateral::MAX_TDX_COLLATERAL;
pub use self::collateral::PckCa;
pub use self::collateral::Platform;
pub use self::collateral::TdxCollateral;
pub use self::collateral::TdxCollateralError;
pub use self::collateral::TdxCollateralStore;
