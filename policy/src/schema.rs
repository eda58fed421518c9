//! The schema of release policies, and the names of its types.

use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid};

pub(super) mod reference;
mod vocabulary;

pub(super) use vocabulary::{Attribute, AttributeType, Vocabulary, nearest};

/// Entity types of the release plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Root,
    Technology,
    Product,
    Suite,
    Phase,
    Revocation,
    Purpose,
    Protocol,
    Signer,
    TcbStatus,
    PckCa,
    TokenForm,
    SoftwareName,
    Namespace,
    Secret,
    Baseline,
    Vm,
}

impl Kind {
    const ALL: [Self; 17] = [
        Self::Root,
        Self::Technology,
        Self::Product,
        Self::Suite,
        Self::Phase,
        Self::Revocation,
        Self::Purpose,
        Self::Protocol,
        Self::Signer,
        Self::TcbStatus,
        Self::PckCa,
        Self::TokenForm,
        Self::SoftwareName,
        Self::Namespace,
        Self::Secret,
        Self::Baseline,
        Self::Vm,
    ];

    /// The type's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "Root",
            Self::Technology => "Technology",
            Self::Product => "Product",
            Self::Suite => "Suite",
            Self::Phase => "Phase",
            Self::Revocation => "Revocation",
            Self::Purpose => "Purpose",
            Self::Protocol => "Protocol",
            Self::Signer => "Signer",
            Self::TcbStatus => "TcbStatus",
            Self::PckCa => "PckCa",
            Self::TokenForm => "TokenKind",
            Self::SoftwareName => "SoftwareName",
            Self::Namespace => "Namespace",
            Self::Secret => "Secret",
            Self::Baseline => "Baseline",
            Self::Vm => "Vm",
        }
    }
}

/// The entity `kind::"name"`.
pub(super) fn uid(kind: Kind, name: &str) -> EntityUid {
    let index = Kind::ALL.iter().position(|other| *other == kind);
    let type_name = index.and_then(|index| TYPE_NAMES.get(index)).expect("ALL has every kind");
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(name))
}

/// `Action::"release"`.
pub(super) fn release() -> EntityUid {
    RELEASE.clone()
}

/// The schema of release policies and guardrails, with its names.
pub(super) fn vocabulary() -> &'static Vocabulary {
    &VOCABULARY
}

/// Seconds since 1970 in Cedar's format for times.
pub(super) fn datetime(seconds: i64) -> String {
    // Days to civil date, proleptic Gregorian: eras of 400 years, years that start in March.
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

static TYPE_NAMES: LazyLock<Vec<EntityTypeName>> =
    LazyLock::new(|| Kind::ALL.iter().map(|kind| kind.name().parse().expect("an identifier")).collect());
static RELEASE: LazyLock<EntityUid> =
    LazyLock::new(|| "Action::\"release\"".parse().expect("an entity literal"));
static VOCABULARY: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::parse(include_str!("vouchsafe.cedarschema")));
