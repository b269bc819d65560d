//! Quantities of Kubernetes: `500m`, `36Gi`, `1e3`, `2`.

use serde_json::Value;

/// An amount of a kind: cores, GB of 2^30 bytes of memory and storage, else a count.
pub fn amount(kind: &str, value: &Value) -> Option<f64> {
    let plain = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => quantity(text)?,
        _ => return None,
    };
    let bytes = kind == "memory" || kind.ends_with("storage") || kind.starts_with("hugepages");
    Some(if bytes { plain / f64::from(1 << 30) } else { plain })
}

fn quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    let units: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
    ];
    let unit = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (digits, factor) = unit.unwrap_or((text, 1.0));
    let number = digits.parse::<f64>().ok()? * factor;
    (number.is_finite() && number >= 0.0).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_in_the_units_of_their_kind() {
        assert_eq!(amount("cpu", &json!("500m")), Some(0.5));
        assert_eq!(amount("cpu", &json!(9)), Some(9.0));
        assert_eq!(amount("memory", &json!("36Gi")), Some(36.0));
        assert_eq!(amount("memory", &json!("1073741824")), Some(1.0));
        assert_eq!(amount("ephemeral-storage", &json!("512Mi")), Some(0.5));
        assert_eq!(amount("nvidia.com/gpu", &json!("1k")), Some(1000.0));
        assert_eq!(amount("pods", &json!("1e1")), Some(10.0));
        assert_eq!(amount("cpu", &json!("many")), None);
        assert_eq!(amount("cpu", &json!("-1")), None);
    }
}
