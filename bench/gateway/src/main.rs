//! Offers ballots by the batch, as a gateway does, over a few connections, as fast as they are taken.
//!
//! `gateway ADDRESS CONTEST KEY CHANNEL BALLOTS [LINES] [CONNECTIONS] [AHEAD]`: `LINES` ballots a
//! request (1,000). With `AHEAD` requests of each connection made before the clock starts (all of
//! them by default up to 500), what is measured is the server and not this program.
//! Prints JSON: `{"recorded", "rejected", "seconds"}`.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    sync::Barrier,
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};

struct Plan {
    address: String,
    path: String,
    key: String,
    channel: String,
    lines: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, contest, key, channel, ballots, rest @ ..] = arguments.as_slice() else {
        bail!("usage: gateway ADDRESS CONTEST KEY CHANNEL BALLOTS [LINES] [CONNECTIONS] [AHEAD]");
    };
    let number = |n: usize, default: usize| rest.get(n).map_or(Ok(default), |text| text.parse());
    let (lines, connections, ahead) = (number(0, 1_000)?, number(1, 4)?, number(2, 500)?);
    let requests = ballots.parse::<usize>()?.div_ceil(lines * connections);
    let plan = Plan {
        address: address.clone(),
        path: format!("/v1/contests/{contest}/batches"),
        key: key.clone(),
        channel: channel.clone(),
        lines,
    };
    let ready = Barrier::new(connections + 1);
    thread::scope(|scope| {
        let run = || offer(&plan, requests, ahead, &ready);
        let workers: Vec<_> = (0..connections).map(|_| scope.spawn(run)).collect();
        ready.wait();
        let start = Instant::now();
        let (mut recorded, mut rejected) = (0, 0);
        for worker in workers {
            let counts = worker.join().expect("a connection's thread does not panic")?;
            recorded += counts.0;
            rejected += counts.1;
        }
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{{\"recorded\": {recorded}, \"rejected\": {rejected}, \"seconds\": {seconds:.3}}}"
        );
        Ok(())
    })
}

/// One connection's requests; what was recorded and rejected.
fn offer(plan: &Plan, requests: usize, ahead: usize, ready: &Barrier) -> Result<(u64, u64)> {
    let mut random = fastrand::Rng::new();
    let mut made: Vec<_> = (0..requests.min(ahead)).map(|_| request(plan, &mut random)).collect();
    let stream = TcpStream::connect(&plan.address).context("connecting");
    ready.wait();
    let stream = stream?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let (mut recorded, mut rejected) = (0, 0);
    for _ in 0..requests {
        let request = made.pop().unwrap_or_else(|| request(plan, &mut random));
        loop {
            writer.write_all(&request)?;
            let (status, body) = reply(&mut reader)?;
            match status {
                200 => {
                    let report: serde_json::Value = serde_json::from_slice(&body)?;
                    recorded += report["recorded"].as_u64().context("no `recorded`")?;
                    rejected +=
                        report["rejected"].as_array().context("no `rejected`")?.len() as u64;
                    break;
                }
                // Overloaded: the same bytes again, as a gateway does.
                503 => thread::sleep(std::time::Duration::from_millis(random.u64(5..50))),
                _ => bail!("{status}: {}", String::from_utf8_lossy(&body)),
            }
        }
    }
    Ok((recorded, rejected))
}

fn request(plan: &Plan, random: &mut fastrand::Rng) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let time = now.as_millis() as u64;
    let mut body = Vec::with_capacity(plan.lines * 160);
    for _ in 0..plan.lines {
        // RFC 9562 section 5.7.
        let (a, b, voter) = (random.u16(..0x1000), random.u64(..), random.u64(..));
        let variant = 0x8000 | (b >> 48 & 0x3fff);
        let (high, low) = (time >> 16, time & 0xffff);
        writeln!(
            body,
            "{{\"ballot_id\":\"{high:08x}-{low:04x}-7{a:03x}-{variant:04x}-{:012x}\",\
             \"voter\":\"{voter:016x}\",\"choice\":\"series-{:02}\",\"channel\":\"{}\"}}",
            b & 0xffff_ffff_ffff,
            random.u8(..10),
            plan.channel,
        )
        .expect("memory takes it");
    }
    let mut request = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        plan.path,
        plan.address,
        plan.key,
        body.len()
    )
    .into_bytes();
    request.append(&mut body);
    request
}

fn reply(reader: &mut impl BufRead) -> Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.with_context(|| format!("not a status line: {line:?}"))?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, body))
}
