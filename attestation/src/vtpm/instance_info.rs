//! Google's instance-info extension of an AK certificate, which identifies the VM.
//!
//! Strict DER: exact order, types and shortest lengths. A certificate that is not for a production instance
//! names no instance. The signature is not checked here.

use crate::claims::Instance;
use crate::x509::der::Element;
use crate::x509::der::SEQUENCE;
use crate::x509::der::content_of;
use crate::x509::der::take;

/// Why the extension cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceInfoError {
    /// Not the structure that Google writes, in DER.
    #[error("malformed")]
    Malformed,
    /// A text is empty, too long or has control characters.
    #[error("a text is empty, too long or has control characters")]
    Text,
    /// A number below zero.
    #[error("a negative number")]
    Negative,
    /// A number above 64 bits.
    #[error("a number above 64 bits")]
    TooLarge,
}

/// Parses the value of the extension; `None` if it is not for a production instance.
///
/// # Errors
/// [`InstanceInfoError`].
// SEQUENCE { zone UTF8String, projectNumber INTEGER, projectId UTF8String, instanceId INTEGER,
//     instanceName UTF8String, [0] EXPLICIT SEQUENCE { [0] EXPLICIT INTEGER securityVersion OPTIONAL,
//     [1] EXPLICIT BOOLEAN isProduction OPTIONAL, [2] to [5] EXPLICIT BOOLEAN OPTIONAL } OPTIONAL }
pub fn parse_instance_info(value: &[u8]) -> Result<Option<Instance>, InstanceInfoError> {
    let mut rest = content_of(SEQUENCE, value).ok_or(InstanceInfoError::Malformed)?;
    let instance = Instance {
        zone: text(&mut rest)?,
        project_number: number(element(&mut rest)?)?,
        project_id: text(&mut rest)?,
        instance_id: number(element(&mut rest)?)?,
        instance_name: text(&mut rest)?,
    };
    let is_production = match rest {
        [] => false,
        [EXPLICIT_0, ..] => {
            let security = content_of(EXPLICIT_0, rest).ok_or(InstanceInfoError::Malformed)?;
            is_production(content_of(SEQUENCE, security).ok_or(InstanceInfoError::Malformed)?)?
        }
        _ => return Err(InstanceInfoError::Malformed),
    };
    Ok(is_production.then_some(instance))
}

fn is_production(mut rest: &[u8]) -> Result<bool, InstanceInfoError> {
    let (mut is_production, mut next) = (false, EXPLICIT_0);
    while !rest.is_empty() {
        let field = element(&mut rest)?;
        // In ascending order, so each at most once.
        if field.tag < next || field.tag > EXPLICIT_5 {
            return Err(InstanceInfoError::Malformed);
        }
        next = field.tag + 1;
        let mut content = field.content;
        let inner = element(&mut content)?;
        if !content.is_empty() {
            return Err(InstanceInfoError::Malformed);
        }
        if field.tag == EXPLICIT_0 {
            number(inner)?;
            continue;
        }
        let value = boolean(inner)?;
        if field.tag == EXPLICIT_1 {
            is_production = value;
        }
    }
    Ok(is_production)
}

fn element<'a>(rest: &mut &'a [u8]) -> Result<Element<'a>, InstanceInfoError> {
    take(rest).ok_or(InstanceInfoError::Malformed)
}

fn text(rest: &mut &[u8]) -> Result<String, InstanceInfoError> {
    let found = element(rest)?;
    if found.tag != UTF8_STRING {
        return Err(InstanceInfoError::Malformed);
    }
    let text = std::str::from_utf8(found.content).map_err(|_| InstanceInfoError::Malformed)?;
    if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(InstanceInfoError::Text);
    }
    Ok(text.to_owned())
}

fn number(found: Element<'_>) -> Result<u64, InstanceInfoError> {
    if found.tag != crate::x509::der::INTEGER {
        return Err(InstanceInfoError::Malformed);
    }
    let digits = match found.content {
        [] | [0, 0..=0x7f, ..] => return Err(InstanceInfoError::Malformed),
        [first, ..] if *first >= 0x80 => return Err(InstanceInfoError::Negative),
        [0, digits @ ..] | digits => digits,
    };
    if digits.len() > 8 {
        return Err(InstanceInfoError::TooLarge);
    }
    Ok(digits.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn boolean(found: Element<'_>) -> Result<bool, InstanceInfoError> {
    match (found.tag, found.content) {
        (BOOLEAN, [0]) => Ok(false),
        (BOOLEAN, [0xff]) => Ok(true),
        _ => Err(InstanceInfoError::Malformed),
    }
}

const BOOLEAN: u8 = 0x01;
const UTF8_STRING: u8 = 0x0c;
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_1: u8 = 0xa1;
const EXPLICIT_5: u8 = 0xa5;
/// Names on GCE have at most 63 characters.
const MAX_TEXT: usize = 128;
