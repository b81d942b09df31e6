//! The protocol: commands that a server is sent, replies that it gives (RESP2).

use std::io::{self, BufRead, Read};
use std::ops::Range;

use super::{Refusal, keys};

/// Commands to send together.
#[derive(Default)]
pub(super) struct Commands {
    bytes: Vec<u8>,
    all: Vec<Command>,
}

/// Where one of them is.
struct Command {
    bytes: Range<usize>,
    slot: u16,
}

impl Commands {
    /// One command; its first argument is a key if it has one.
    pub(super) fn one(arguments: &[&str]) -> Self {
        let mut commands = Self::default();
        commands.add(arguments);
        commands
    }

    /// Adds a command.
    pub(super) fn add(&mut self, arguments: &[&str]) {
        let key = arguments.get(1).copied().unwrap_or_default();
        self.add_with(arguments[0], key, arguments.len().saturating_sub(2), |more| {
            arguments.iter().skip(2).for_each(|argument| more.push(argument));
        });
    }

    /// Adds a command on a key; `push` pushes as many arguments as it is said to have besides.
    pub(super) fn add_with(
        &mut self,
        name: &str,
        key: &str,
        more: usize,
        push: impl FnOnce(&mut Arguments<'_>),
    ) {
        let start = self.bytes.len();
        let has_key = !key.is_empty();
        self.header(b'*', 1 + usize::from(has_key) + more);
        let mut arguments = Arguments(self);
        arguments.push(name);
        if has_key {
            arguments.push(key);
        }
        push(&mut arguments);
        let bytes = start..self.bytes.len();
        self.all.push(Command { bytes, slot: keys::slot(key.as_bytes()) });
    }

    fn header(&mut self, kind: u8, number: usize) {
        self.bytes.push(kind);
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut left = number;
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(left % 10).expect("a digit");
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[at..]);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of a command.
    pub(super) fn bytes_of(&self, command: usize) -> &[u8] {
        &self.bytes[self.all[command].bytes.clone()]
    }

    /// The slot of a command's key.
    pub(super) fn slot_of(&self, command: usize) -> u16 {
        self.all[command].slot
    }
}

/// The arguments of a command that is being added.
pub(super) struct Arguments<'a>(&'a mut Commands);

impl Arguments<'_> {
    pub(super) fn push(&mut self, argument: &str) {
        self.0.header(b'$', argument.len());
        self.0.bytes.extend_from_slice(argument.as_bytes());
        self.0.bytes.extend_from_slice(b"\r\n");
    }
}

/// The replies to some commands, in their order.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// All texts of all replies.
    texts: Vec<u8>,
    /// The line that was read last.
    line: Vec<u8>,
    pub(super) all: Vec<Reply>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Where it is in the texts.
    Text(Range<usize>),
    Number(i64),
    Nothing,
    List(Vec<Reply>),
    Refusal(Refusal),
}

/// Deeper replies than these are none that we asked for.
const MAX_DEPTH: usize = 8;
/// Nor are longer lines: lengths, numbers, refusals.
const MAX_LINE: u64 = 64 << 10;
/// Nor longer texts. A server takes none of more than that, unless told to.
const MAX_TEXT: usize = 512 << 20;

impl Replies {
    /// Reads one more reply.
    pub(super) fn read(&mut self, input: &mut impl BufRead) -> io::Result<()> {
        let reply = self.read_reply(input, 0)?;
        self.all.push(reply);
        Ok(())
    }

    /// Puts each reply into the place that `order` has for it.
    pub(super) fn put(&mut self, order: &[usize]) {
        let mut in_place = vec![Reply::Nothing; order.len()];
        for (place, reply) in order.iter().zip(self.all.drain(..)) {
            in_place[*place] = reply;
        }
        self.all = in_place;
    }

    /// The text that a reply is, or the one at a place of a list; empty if it is something else.
    pub(super) fn text(&self, reply: &Reply) -> &[u8] {
        match reply {
            Reply::Text(range) => &self.texts[range.clone()],
            _ => &[],
        }
    }

    /// The texts of a reply that is a list of texts.
    pub(super) fn texts(&self, command: usize) -> impl DoubleEndedIterator<Item = &[u8]> + '_ {
        let list = match &self.all[command] {
            Reply::List(list) => list.as_slice(),
            _ => &[],
        };
        list.iter().map(|reply| self.text(reply))
    }

    fn read_reply(&mut self, input: &mut impl BufRead, depth: usize) -> io::Result<Reply> {
        Ok(match self.read_head(input)? {
            Head::All(reply) => reply,
            Head::Text(length) if length > MAX_TEXT => return Err(nonsense()),
            Head::Text(length) => Reply::Text(self.read_text(input, length)?),
            Head::List(_) if depth == MAX_DEPTH => return Err(nonsense()),
            Head::List(length) => {
                let items = (0..length).map(|_| self.read_reply(input, depth + 1));
                Reply::List(items.collect::<io::Result<_>>()?)
            }
        })
    }

    /// Reads the first line of a reply.
    fn read_head(&mut self, input: &mut impl BufRead) -> io::Result<Head> {
        self.line.clear();
        (&mut *input).take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        let Some(line) = self.line.strip_suffix(b"\r\n") else {
            let is_line = self.line.ends_with(b"\n") || self.line.len() as u64 == MAX_LINE;
            return Err(if is_line { nonsense() } else { ended() });
        };
        Ok(match line.split_first().ok_or_else(nonsense)? {
            (b'+', text) => {
                let start = self.texts.len();
                self.texts.extend_from_slice(text);
                Head::All(Reply::Text(start..self.texts.len()))
            }
            (b'-', text) => Head::All(Reply::Refusal(Refusal::of(&String::from_utf8_lossy(text)))),
            (b':', digits) => Head::All(Reply::Number(number(digits)?)),
            (b'$', digits) => usize::try_from(number(digits)?).map_or(Head::NOTHING, Head::Text),
            (b'*', digits) => usize::try_from(number(digits)?).map_or(Head::NOTHING, Head::List),
            _ => return Err(nonsense()),
        })
    }

    fn read_text(&mut self, input: &mut impl BufRead, length: usize) -> io::Result<Range<usize>> {
        let start = self.texts.len();
        // With the line end behind it.
        let mut left = length + 2;
        while left > 0 {
            let read = match input.fill_buf() {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read.is_empty() {
                return Err(ended());
            }
            let taken = read.len().min(left);
            self.texts.extend_from_slice(&read[..taken]);
            input.consume(taken);
            left -= taken;
        }
        self.texts.truncate(start + length);
        Ok(start..start + length)
    }
}

/// What the first line of a reply says.
enum Head {
    All(Reply),
    /// A text of so many bytes follows.
    Text(usize),
    /// So many replies follow.
    List(usize),
}

impl Head {
    /// A length of -1.
    const NOTHING: Self = Self::All(Reply::Nothing);
}

fn number(digits: &[u8]) -> io::Result<i64> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or_else(nonsense)
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not what a Redis says")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(mut input: &[u8]) -> io::Result<Replies> {
        let mut replies = Replies::default();
        while !input.is_empty() {
            replies.read(&mut input)?;
        }
        Ok(replies)
    }

    #[test]
    fn commands_are_arrays_of_texts_of_known_length() {
        let mut commands = Commands::one(&["PING"]);
        commands.add(&["LRANGE", "ké", "0", "-1"]);
        assert_eq!(commands.bytes_of(0), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            commands.bytes_of(1),
            "*4\r\n$6\r\nLRANGE\r\n$3\r\nké\r\n$1\r\n0\r\n$2\r\n-1\r\n".as_bytes()
        );
        assert_eq!(commands.slot_of(1), keys::slot("ké".as_bytes()));
        assert_eq!(commands.bytes().len(), commands.bytes_of(0).len() + commands.bytes_of(1).len());
    }

    #[test]
    fn replies_of_every_kind_are_read() {
        let found = replies(
            b"+OK\r\n:-7\r\n$-1\r\n*-1\r\n-WRONGTYPE no\r\n*3\r\n$4\r\na\r\nb\r\n$0\r\n\r\n*1\r\n:1\r\n",
        )
        .unwrap();
        assert_eq!(found.text(&found.all[0]), b"OK");
        assert_eq!(found.all[1..4], [Reply::Number(-7), Reply::Nothing, Reply::Nothing]);
        assert_eq!(found.all[4], Reply::Refusal(Refusal("WRONGTYPE no".into())));
        assert_eq!(found.texts(5).collect::<Vec<_>>(), [&b"a\r\nb"[..], b"", b""]);
        assert_eq!(found.all.len(), 6);
    }

    #[test]
    fn what_no_redis_says_is_an_error() {
        for input in [
            "HTTP/1.1 400 Bad Request\r\n",
            "\n",
            ":x\r\n",
            "$x\r\n",
            &"*1\r\n".repeat(99),
            &"+".repeat(100_000),
            "$999999999999\r\n",
        ] {
            let kind = replies(input.as_bytes()).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::InvalidData, "{input}");
        }
        for input in ["+OK", "$5\r\nab", "*2\r\n:1\r\n"] {
            let kind = replies(input.as_bytes()).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{input}");
        }
    }
}
