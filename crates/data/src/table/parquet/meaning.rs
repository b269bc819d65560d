//! What the values of a column mean, by its type: <https://parquet.apache.org/docs/file-format/types/logicaltypes/>.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::ColumnDescriptor;

use super::super::Value;
use super::super::date::written;

const DAY_S: i64 = 86_400;
/// The day 1970-01-01 as Julian days count.
const JULIAN_1970: i64 = 2_440_588;

/// What a column's values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    Number,
    Unsigned,
    Truth,
    /// Whole numbers are days since 1970.
    Day,
    /// Whole numbers are so many a second since 1970.
    Instant(i64),
    /// Whole numbers are so many a second since midnight.
    TimeOfDay(i64),
    /// A whole number that is to be divided by ten to this power.
    Decimal(i32),
    /// IEEE 754's 16 bits.
    Half,
    Text,
    /// Bytes that are no text.
    Hex,
}

impl Meaning {
    /// Of a column; `None` for what is no cell.
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Meaning> {
        let physical = column.physical_type();
        let logical = column.logical_type_ref().and_then(logical);
        let meaning = logical.or_else(|| converted(column.converted_type(), column.type_scale()));
        match (physical, meaning) {
            (Physical::BOOLEAN, _) => Some(Meaning::Truth),
            (Physical::INT32 | Physical::INT64, Some(Meaning::Text | Meaning::Hex | Meaning::Half)) => None,
            (Physical::INT32 | Physical::INT64, Some(meaning)) => Some(meaning),
            (Physical::INT32 | Physical::INT64, None) => Some(Meaning::Number),
            (Physical::INT96, _) => Some(Meaning::Instant(1)),
            (Physical::FLOAT | Physical::DOUBLE, _) => Some(Meaning::Number),
            (_, Some(meaning @ (Meaning::Decimal(_) | Meaning::Half | Meaning::Hex))) => Some(meaning),
            (Physical::BYTE_ARRAY, None | Some(Meaning::Text)) => Some(Meaning::Text),
            (Physical::FIXED_LEN_BYTE_ARRAY, None) if column.converted_type() == ConvertedType::INTERVAL => {
                None
            }
            (Physical::FIXED_LEN_BYTE_ARRAY, None) => Some(Meaning::Hex),
            _ => None,
        }
    }

    pub(super) fn truth(self, truth: bool) -> Value {
        Value::Text(if truth { b"true".to_vec() } else { b"false".to_vec() })
    }

    /// Of a whole number, given signed and unsigned.
    pub(super) fn whole(self, number: i64, unsigned: u64) -> Value {
        match self {
            Meaning::Unsigned => Value::Number(unsigned as f64),
            Meaning::Day => Value::Text(written(number, 0.0).into_bytes()),
            Meaning::Instant(unit) => {
                let day = number.div_euclid(DAY_S * unit);
                let seconds = number.rem_euclid(DAY_S * unit) as f64 / unit as f64;
                Value::Text(written(day, seconds).into_bytes())
            }
            Meaning::TimeOfDay(unit) => Value::Number(number as f64 / unit as f64),
            Meaning::Decimal(scale) => Value::Number(number as f64 / 10f64.powi(scale)),
            _ => Value::Number(number as f64),
        }
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Value {
        match self {
            Meaning::Decimal(scale) => Value::Number(big_endian(bytes) / 10f64.powi(scale)),
            Meaning::Half => match bytes {
                [low, high] => Value::Number(super::super::half(u16::from_le_bytes([*low, *high]))),
                _ => Value::Missing,
            },
            Meaning::Hex => {
                Value::Word(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes())
            }
            _ => Value::Word(bytes.to_vec()),
        }
    }
}

/// Nanoseconds of a day and its Julian number, as Impala and Spark wrote instants.
pub(super) fn instant(words: &[u32]) -> Value {
    let [low, high, day] = *words else { return Value::Missing };
    let nanoseconds = u64::from(high) << 32 | u64::from(low);
    Value::Text(written(i64::from(day) - JULIAN_1970, nanoseconds as f64 / 1e9).into_bytes())
}

fn logical(logical: &LogicalType) -> Option<Meaning> {
    Some(match logical {
        LogicalType::String | LogicalType::Enum | LogicalType::Json => Meaning::Text,
        LogicalType::Decimal(decimal) => Meaning::Decimal(decimal.scale),
        LogicalType::Date => Meaning::Day,
        LogicalType::Time(time) => Meaning::TimeOfDay(per_second(&time.unit)),
        LogicalType::Timestamp(instant) => Meaning::Instant(per_second(&instant.unit)),
        LogicalType::Integer(whole) if whole.is_signed => Meaning::Number,
        LogicalType::Integer(_) => Meaning::Unsigned,
        LogicalType::Uuid => Meaning::Hex,
        LogicalType::Float16 => Meaning::Half,
        _ => return None,
    })
}

/// What older writers say.
fn converted(converted: ConvertedType, scale: i32) -> Option<Meaning> {
    Some(match converted {
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Meaning::Text,
        ConvertedType::DECIMAL => Meaning::Decimal(scale),
        ConvertedType::DATE => Meaning::Day,
        ConvertedType::TIME_MILLIS => Meaning::TimeOfDay(1000),
        ConvertedType::TIME_MICROS => Meaning::TimeOfDay(1_000_000),
        ConvertedType::TIMESTAMP_MILLIS => Meaning::Instant(1000),
        ConvertedType::TIMESTAMP_MICROS => Meaning::Instant(1_000_000),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
            Meaning::Unsigned
        }
        ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 | ConvertedType::INT_64 => {
            Meaning::Number
        }
        _ => return None,
    })
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

/// A number in two's complement, however long.
fn big_endian(bytes: &[u8]) -> f64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let magnitude = bytes
        .iter()
        .fold(0.0, |number, &byte| number * 256.0 + f64::from(if negative { !byte } else { byte }));
    if negative { -magnitude - 1.0 } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_become_what_their_type_says() {
        let text = |text: &str| Value::Text(text.as_bytes().to_vec());
        assert_eq!(Meaning::Day.whole(20_786, 0), text("2026-11-29"));
        assert_eq!(Meaning::Day.whole(-1, 0), text("1969-12-31"));
        assert_eq!(Meaning::Instant(1000).whole(-500, 0), text("1969-12-31T23:59:59.5"));
        assert_eq!(Meaning::Instant(1_000_000).whole(90_000_000, 0), text("1970-01-01T00:01:30"));
        assert_eq!(Meaning::TimeOfDay(1000).whole(1500, 0), Value::Number(1.5));
        assert_eq!(Meaning::Decimal(2).whole(-1234, 0), Value::Number(-12.34));
        assert_eq!(Meaning::Unsigned.whole(-1, 255), Value::Number(255.0));
        assert_eq!(instant(&[0, 0, 2_440_589]), text("1970-01-02"));
    }

    #[test]
    fn bytes_become_numbers_text_or_hexadecimal() {
        assert_eq!(Meaning::Decimal(1).bytes(&[0x04, 0xd2]), Value::Number(123.4));
        assert_eq!(Meaning::Decimal(0).bytes(&[0xff, 0xfe]), Value::Number(-2.0));
        assert_eq!(Meaning::Half.bytes(&[0x00, 0x3e]), Value::Number(1.5));
        assert_eq!(Meaning::Hex.bytes(&[0x0a, 0xff]), Value::Word(b"0aff".to_vec()));
        assert_eq!(Meaning::Text.bytes(b"012"), Value::Word(b"012".to_vec()));
    }
}
