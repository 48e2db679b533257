//! Key components: shares whose exclusive or is the key.

use crate::block::xor_into;
use crate::constant_time_eq;
use crate::error::{KeyError, Weakness};
use crate::secret::SecretBytes;

/// Most components a key is split into.
pub const COMPONENTS_MAX: usize = 3;

/// The key that 2 or 3 components of equal length make.
///
/// # Errors
/// [`KeyError::Input`] for another number or unequal lengths, [`KeyError::Weak`] when two
/// components are equal, because they cancel out.
pub fn combine(components: &[&[u8]]) -> Result<SecretBytes, KeyError> {
    let (first, others) = match components {
        [first, others @ ..] if (1..COMPONENTS_MAX).contains(&others.len()) => (first, others),
        _ => return Err(KeyError::Input("number of components")),
    };
    if others.iter().any(|c| c.len() != first.len()) {
        return Err(KeyError::Input("length of a component"));
    }
    for (index, component) in components.iter().enumerate() {
        if components[..index].iter().any(|earlier| constant_time_eq(earlier, component)) {
            return Err(KeyError::Weak(Weakness::EqualParts));
        }
    }
    let mut sum = SecretBytes::from_slice(first);
    for other in others {
        xor_into(sum.expose_mut(), other);
    }
    Ok(sum)
}

/// Draws `count` (2 or 3) components of `key`.
///
/// # Errors
/// [`KeyError::Input`] for another number, [`KeyError::Entropy`] without randomness.
pub fn split(key: &[u8], count: usize) -> Result<Vec<SecretBytes>, KeyError> {
    if !(2..=COMPONENTS_MAX).contains(&count) {
        return Err(KeyError::Input("number of components"));
    }
    let mut last = SecretBytes::from_slice(key);
    let mut components = Vec::with_capacity(count);
    for _ in 1..count {
        let random = SecretBytes::random(key.len())?;
        xor_into(last.expose_mut(), random.expose());
        components.push(random);
    }
    components.push(last);
    Ok(components)
}
