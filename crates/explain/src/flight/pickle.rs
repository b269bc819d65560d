//! Python's pickle format, as far as it holds plain data. A pickle is a program for a stack machine; the instructions that build
//! lists, dictionaries, tuples, numbers and texts are followed, those that name classes or call anything are refused. So
//! nothing of a file is ever run. What a file repeats by reference is counted anew each time, and bounded.
//!
//! The instructions are those of protocols 2 to 5 (Python's `pickletools`).

use serde_json::{Map, Value};

/// Values that a file may stand for, and how deep they may lie in each other.
const VALUES: usize = 16 << 20;
const DEPTH: usize = 64;

/// A value, by the positions of its parts.
#[derive(Debug)]
enum Node {
    Plain(Value),
    List(Vec<usize>),
    Dictionary(Vec<(usize, usize)>),
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<usize>,
    marks: Vec<usize>,
    memo: std::collections::HashMap<u32, usize>,
}

/// The data of a pickle; what is wrong with it in words.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    let (nodes, stack, marks, memo) = Default::default();
    let mut machine = Machine { bytes, at: 0, nodes, stack, marks, memo };
    while machine.step()? {}
    let last = machine.pop()?;
    machine.value(last, 0, &mut 0)
}

impl Machine<'_> {
    /// Follows one instruction; false at the last.
    fn step(&mut self) -> Result<bool, String> {
        let code = self.take(1)?[0];
        match code {
            b'.' => return Ok(false),
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'N' => self.push(Value::Null),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => self.number(1)?,
            b'M' => self.number(2)?,
            b'J' => {
                let number = self.little(4)? as u32 as i32;
                self.push(number.into());
            }
            0x8a => {
                let length = self.little(1)? as usize;
                let number = self.long(length)?;
                self.push(number);
            }
            b'G' => {
                let bytes: [u8; 8] = self.take(8)?.try_into().map_err(|_| "a number is cut".to_owned())?;
                self.push(f64::from_be_bytes(bytes).into());
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b']' => self.place(Node::List(Vec::new())),
            b')' => self.place(Node::List(Vec::new())),
            b'}' => self.place(Node::Dictionary(Vec::new())),
            b'(' => self.marks.push(self.stack.len()),
            b't' | b'l' => {
                let parts = self.marked()?;
                self.place(Node::List(parts));
            }
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(code - 0x84)).ok_or_else(empty)?;
                let parts = self.stack.split_off(from);
                self.place(Node::List(parts));
            }
            b'a' => {
                let part = self.pop()?;
                self.append(vec![part])?;
            }
            b'e' => {
                let parts = self.marked()?;
                self.append(parts)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let parts = self.marked()?;
                self.set(&parts)?;
            }
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => {
                let (number, top) = (self.memo.len() as u32, self.top()?);
                self.memo.insert(number, top);
            }
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'0' => drop(self.pop()?),
            other => return Err(format!("it holds more than plain data (instruction {other:#04x})")),
        }
        if self.nodes.len() > VALUES {
            return Err("it holds too many values".to_owned());
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or("it ends before its last value does")?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn little(&mut self, length: usize) -> Result<u64, String> {
        Ok(self.take(length)?.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte)))
    }

    fn number(&mut self, length: usize) -> Result<(), String> {
        let number = self.little(length)?;
        self.push(number.into());
        Ok(())
    }

    /// A whole number of any length with its sign; beyond 8 bytes it is a float.
    fn long(&mut self, length: usize) -> Result<Value, String> {
        let bytes = self.take(length)?;
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let fill = if is_negative { -1i128 } else { 0 };
        if bytes.len() > 15 {
            return Ok(Value::Null);
        }
        let number = bytes.iter().rev().fold(fill, |sum, &byte| sum << 8 | i128::from(byte));
        Ok(i64::try_from(number).map_or_else(|_| (number as f64).into(), Value::from))
    }

    fn text(&mut self, length: usize) -> Result<(), String> {
        let length = usize::try_from(self.little(length)?).map_err(|_| empty())?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::String(text));
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.place(Node::Plain(value));
    }

    fn place(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn pop(&mut self) -> Result<usize, String> {
        self.stack.pop().ok_or_else(empty)
    }

    fn top(&self) -> Result<usize, String> {
        self.stack.last().copied().ok_or_else(empty)
    }

    fn marked(&mut self) -> Result<Vec<usize>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len()).ok_or_else(empty)?;
        Ok(self.stack.split_off(mark))
    }

    fn append(&mut self, parts: Vec<usize>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::List(list) => list.extend(parts),
            _ => return Err("it appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, parts: &[usize]) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Dictionary(entries) => entries.extend(parts.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            _ => return Err("it sets a key of what is no dictionary".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, length: usize) -> Result<(), String> {
        let (number, top) = (self.little(length)? as u32, self.top()?);
        self.memo.insert(number, top);
        Ok(())
    }

    fn recall(&mut self, length: usize) -> Result<(), String> {
        let number = self.little(length)? as u32;
        let known = self.memo.get(&number).copied().ok_or("it recalls what it has not stored")?;
        self.stack.push(known);
        Ok(())
    }

    /// A node as a value of its own, with all that lies in it.
    fn value(&self, node: usize, depth: usize, count: &mut usize) -> Result<Value, String> {
        *count += 1;
        if *count > VALUES || depth > DEPTH {
            return Err("its values lie too deep in each other, or are too many".to_owned());
        }
        Ok(match &self.nodes[node] {
            Node::Plain(value) => value.clone(),
            Node::List(parts) => {
                let parts = parts.iter().map(|&part| self.value(part, depth + 1, count));
                Value::Array(parts.collect::<Result<_, _>>()?)
            }
            Node::Dictionary(entries) => {
                let mut map = Map::new();
                for &(key, value) in entries {
                    let key = match self.value(key, depth + 1, count)? {
                        Value::String(text) => text,
                        other => other.to_string(),
                    };
                    map.insert(key, self.value(value, depth + 1, count)?);
                }
                Value::Object(map)
            }
        })
    }
}

fn empty() -> String {
    "its instructions do not fit together".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_data_of_two_protocols() {
        // {"a": [1, -2, 300, None, True], "b": ("x", "x")} by protocol 2, the second text recalled.
        let two = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01]q\x02(K\x01J\xfe\xff\xff\xffM\x2c\x01N\x88eX\x01\x00\x00\x00bq\x03X\x01\x00\x00\x00xq\x04h\x04\x86q\x05u.";
        assert_eq!(read(two), Ok(json!({"a": [1, -2, 300, null, true], "b": ["x", "x"]})));
        // [2**40, -1.5] by protocol 4.
        let four = b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00]\x94(\x8a\x06\x00\x00\x00\x00\x00\x01G\xbf\xf8\x00\x00\x00\x00\x00\x00e.";
        assert_eq!(read(four), Ok(json!([1u64 << 40, -1.5])));
    }

    #[test]
    fn nothing_is_called_and_nothing_explodes() {
        let call = b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00lsq\x00\x85R.";
        assert!(read(call).unwrap_err().contains("more than plain data"));
        // A list of a list of a list ..., each ten times the one before.
        let mut bomb = b"\x80\x02K\x01".to_vec();
        for level in 0..20u8 {
            bomb.extend([b'q', level, b'0', b'(']);
            (0..10).for_each(|_| bomb.extend([b'h', level]));
            bomb.push(b'l');
        }
        bomb.push(b'.');
        assert!(read(&bomb).unwrap_err().contains("too many"));
        for cut in 0..bomb.len() {
            assert!(read(&bomb[..cut]).is_err());
        }
    }
}
