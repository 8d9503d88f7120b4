//! The floor: a bare loop that sends the bytes another client sent, and reads each answer to its end.
//!
//! One connection, blocking, nothing parsed but where an answer ends. No client of the model can be faster by much.

use anyhow::{Context as _, ensure};
use errand_sim::Captured;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;

/// Sends these requests one after another.
pub fn replay(base_url: &str, requests: &[Captured]) -> anyhow::Result<()> {
    let address = base_url.strip_prefix("http://").context("the simulator speaks plain HTTP")?;
    let messages: Vec<_> = requests.iter().map(message).collect();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::with_capacity(64 * 1024, stream.try_clone()?);
    for message in &messages {
        stream.write_all(message)?;
        read_answer(&mut answers)?;
    }
    Ok(())
}

/// The request as it went over the wire.
fn message(request: &Captured) -> Vec<u8> {
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let head: String =
        std::iter::once(format!("{} {} HTTP/1.1\r\n", request.method, request.path)).chain(headers).collect();
    [head.as_bytes(), b"\r\n", &request.body].concat()
}

fn read_answer(answers: &mut impl BufRead) -> anyhow::Result<()> {
    let status = line(answers)?;
    ensure!(status.starts_with("HTTP/1.1 200"), "the floor was answered with {status}");
    let (mut n_bytes, mut is_chunked) = (0, false);
    loop {
        let header = line(answers)?;
        match header.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => n_bytes = value.trim().parse()?,
            Some((name, value)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                is_chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
            Some(_) => {}
            None => break,
        }
    }
    if !is_chunked {
        return skip(answers, n_bytes);
    }
    loop {
        let size = usize::from_str_radix(&line(answers)?, 16)?;
        // Each chunk ends with a line end; after the last one nothing else comes.
        skip(answers, size + 2)?;
        if size == 0 {
            return Ok(());
        }
    }
}

fn line(answers: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(line.ends_with('\n'), "the answer ended early");
    Ok(line.trim_end().to_owned())
}

fn skip(answers: &mut impl BufRead, mut n_bytes: usize) -> anyhow::Result<()> {
    while n_bytes > 0 {
        let n_here = answers.fill_buf()?.len().min(n_bytes);
        ensure!(n_here > 0, "the answer ended early");
        answers.consume(n_here);
        n_bytes -= n_here;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_to_its_end_and_not_further() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        for answer in [chunked, whole] {
            let both = format!("{answer}{whole}");
            let mut answers = both.as_bytes();
            read_answer(&mut answers).unwrap();
            assert_eq!(answers, whole.as_bytes());
        }
    }

    #[test]
    fn a_refusal_and_a_cut_answer_are_errors() {
        for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"] {
            assert!(read_answer(&mut answer.as_bytes()).is_err());
        }
    }
}
