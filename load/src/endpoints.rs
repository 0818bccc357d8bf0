//! The socket addresses behind one host name: two balancers have one name and two addresses.
//!
//! Clients begin at different addresses, so that they are spread. One that fails is left alone
//! by all of them for a while, then one client tries it again.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::{net::TcpStream, time::timeout};

/// How long to wait for one address while there are others: a balancer that is cut off refuses
/// nothing. A little over the second after which a lost SYN is sent again.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_200);
/// How long an address that could not be reached is left alone.
const REST: Duration = Duration::from_secs(5);
/// How long a name's addresses are believed.
const FRESH: Duration = Duration::from_secs(10);

/// Finds the addresses of a host.
pub(crate) trait Resolve: Send + Sync {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver: `/etc/hosts`, then DNS.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// A host and its addresses, shared by all clients.
pub(crate) struct Endpoints {
    pub(crate) host: String,
    pub(crate) port: u16,
    resolver: Arc<dyn Resolve>,
    /// Held by the one client that asks the resolver.
    asking: tokio::sync::Mutex<()>,
    book: Mutex<AddressBook>,
}

#[derive(Default)]
struct AddressBook {
    endpoints: Vec<Endpoint>,
    fresh_until: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Endpoint {
    address: SocketAddr,
    /// Left alone until then, after a failure.
    rests_until: Option<Instant>,
}

impl Endpoints {
    pub(crate) fn new(host: String, port: u16, resolver: Arc<dyn Resolve>) -> Self {
        let (asking, book) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { host, port, resolver, asking, book }
    }

    /// Whether there is another address to go to, which did not fail lately.
    pub(crate) fn has_others(&self) -> bool {
        let now = Instant::now();
        let book = self.book.lock();
        book.endpoints.iter().filter(|endpoint| !endpoint.rests(now)).count() > 1
    }

    /// Connects to the first address that answers, beginning with address `turn` (counted round
    /// and round); those that failed lately come last.
    pub(crate) async fn connect(&self, turn: usize) -> io::Result<TcpStream> {
        let all = self.look_up().await?;
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        let mut tried = Vec::with_capacity(all);
        // A closure, so that the lock is free again before the first wait.
        let choose = |tried: &[_]| self.book.lock().choose(turn, tried, Instant::now());
        while let Some(address) = choose(&tried) {
            tried.push(address);
            let connecting = TcpStream::connect(address);
            let connected = match all {
                // There is nothing better to do than to wait; the caller has a limit of its own.
                1 => connecting.await,
                _ => timeout(CONNECT_TIMEOUT, connecting)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            let rests_until = connected.is_err().then(|| Instant::now() + REST);
            self.book.lock().set_rest(address, rests_until);
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Sees to it that the addresses are known and fresh; returns how many there are.
    async fn look_up(&self) -> io::Result<usize> {
        if let Some(addresses) = self.book.lock().len_if_fresh(Instant::now()) {
            return Ok(addresses);
        }
        // While one client asks, the others go on with what was known before; at the beginning
        // they have nothing and wait.
        let old = self.book.lock().endpoints.len();
        let _asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            Err(_) if old > 0 => return Ok(old),
            Err(_) => self.asking.lock().await,
        };
        if let Some(addresses) = self.book.lock().len_if_fresh(Instant::now()) {
            return Ok(addresses);
        }
        let found = self.resolver.resolve(&self.host, self.port).await;
        let mut book = self.book.lock();
        match found {
            Ok(addresses) if !addresses.is_empty() => book.learn(&addresses),
            // A resolver that is away for a moment is no reason to forget.
            Err(error) if old == 0 => return Err(error),
            _ => {}
        }
        book.fresh_until = Some(Instant::now() + FRESH);
        Ok(book.endpoints.len())
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl AddressBook {
    fn len_if_fresh(&self, now: Instant) -> Option<usize> {
        let fresh = self.fresh_until.is_some_and(|until| now < until);
        (fresh && !self.endpoints.is_empty()).then_some(self.endpoints.len())
    }

    /// Takes what the resolver says now; an address that stays keeps its rest. They are sorted, as
    /// many resolvers give another order every time.
    fn learn(&mut self, addresses: &[SocketAddr]) {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        addresses.dedup();
        let rest = |address| {
            let known = self.endpoints.iter().find(|known| known.address == address);
            known.and_then(|known| known.rests_until)
        };
        self.endpoints = addresses
            .into_iter()
            .map(|address| Endpoint { address, rests_until: rest(address) })
            .collect();
    }

    /// The next address to try.
    fn choose(&mut self, turn: usize, tried: &[SocketAddr], now: Instant) -> Option<SocketAddr> {
        let all = self.endpoints.len();
        let untried = (0..all)
            .map(|step| (turn % all + step) % all)
            .filter(|&index| !tried.contains(&self.endpoints[index].address));
        let index = untried.min_by_key(|&index| self.endpoints[index].rests(now))?;
        let endpoint = &mut self.endpoints[index];
        if endpoint.rests_until.is_some() {
            // One client tries it again; the others leave it alone until it is known to answer.
            endpoint.rests_until = Some(now + REST);
        }
        Some(endpoint.address)
    }

    fn set_rest(&mut self, address: SocketAddr, until: Option<Instant>) {
        if let Some(known) = self.endpoints.iter_mut().find(|known| known.address == address) {
            known.rests_until = until;
        }
    }
}

impl Endpoint {
    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    struct Fixed(Mutex<Vec<SocketAddr>>);

    impl Resolve for Fixed {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
            let addresses = self.0.lock().clone();
            Box::pin(std::future::ready(match addresses.is_empty() {
                true => Err(io::Error::other("no such host")),
                false => Ok(addresses),
            }))
        }
    }

    fn endpoints(addresses: &[SocketAddr]) -> (Endpoints, Arc<Fixed>) {
        let resolver = Arc::new(Fixed(Mutex::new(addresses.to_vec())));
        (Endpoints::new("vote.example".into(), 80, Arc::clone(&resolver) as _), resolver)
    }

    async fn listener(host: &str) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address where nobody listens.
    async fn dead(host: &str) -> SocketAddr {
        listener(host).await.1
    }

    async fn peer(endpoints: &Endpoints, turn: usize) -> SocketAddr {
        endpoints.connect(turn).await.unwrap().peer_addr().unwrap()
    }

    #[tokio::test]
    async fn clients_are_spread_over_the_addresses() {
        let (_a, first) = listener("127.0.0.1").await;
        let (_b, second) = listener("127.0.0.2").await;
        let (both, _) = endpoints(&[second, first, second]);
        for turn in [0, 2, usize::MAX - 1] {
            assert_eq!(peer(&both, turn).await, first);
            assert_eq!(peer(&both, turn + 1).await, second);
        }
        assert!(both.has_others());
    }

    #[tokio::test]
    async fn the_next_address_takes_over_from_one_that_refuses() {
        let first = dead("127.0.0.1").await;
        let (_b, second) = listener("127.0.0.2").await;
        let (both, _) = endpoints(&[first, second]);
        assert_eq!(peer(&both, 0).await, second);
        assert_eq!(peer(&both, 1).await, second);
        assert!(!both.has_others());
        let (none, _) = endpoints(&[first, dead("127.0.0.2").await]);
        let refused = none.connect(0).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// A listener whose backlog is full answers no SYN, like a machine that is cut off.
    async fn black_hole() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        let patience = Duration::from_millis(200);
        while let Ok(stream) = timeout(patience, TcpStream::connect(address)).await {
            filling.push(stream.unwrap());
            assert!(filling.len() < 100, "the backlog has no end");
        }
        (listener, filling, address)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_costs_one_client_its_patience_and_then_rests() {
        let (_hole, _filling, first) = black_hole().await;
        let (_b, second) = listener("127.0.0.2").await;
        let (both, _) = endpoints(&[first, second]);
        let patience = Duration::from_secs(30);
        let connected = timeout(patience, both.connect(0)).await.unwrap().unwrap();
        assert_eq!(connected.peer_addr().unwrap(), second);
        let now = Instant::now();
        assert_eq!(both.book.lock().choose(0, &[], now), Some(second), "the first one rests");
        assert!(!both.has_others());
    }

    #[tokio::test]
    async fn an_address_that_comes_back_is_tried_again_by_one_client_first() {
        let (a, first) = listener("127.0.0.1").await;
        let (_b, second) = listener("127.0.0.2").await;
        let (both, _) = endpoints(&[first, second]);
        drop(a);
        assert_eq!(peer(&both, 0).await, second);
        let now = Instant::now();
        both.book.lock().set_rest(first, Some(now));
        assert_eq!(both.book.lock().choose(0, &[], now), Some(first), "its rest is over");
        assert_eq!(both.book.lock().choose(0, &[], now), Some(second), "but one client is enough");
        let _a = TcpListener::bind(first).await.unwrap();
        both.book.lock().set_rest(first, Some(now));
        assert_eq!(peer(&both, 0).await, first);
        assert_eq!(peer(&both, 0).await, first);
        assert!(both.has_others());
    }

    #[tokio::test]
    async fn all_are_tried_where_all_have_failed() {
        let (a, first) = listener("127.0.0.1").await;
        let (both, _) = endpoints(&[first, dead("127.0.0.2").await]);
        drop(a);
        both.connect(0).await.unwrap_err();
        let _a = TcpListener::bind(first).await.unwrap();
        assert_eq!(peer(&both, 1).await, first);
    }

    #[tokio::test]
    async fn names_are_looked_up_again_and_a_resolver_that_is_away_is_forgiven() {
        let (_a, first) = listener("127.0.0.1").await;
        let (_b, second) = listener("127.0.0.2").await;
        let (name, resolver) = endpoints(&[]);
        assert!(name.connect(0).await.is_err(), "nothing is known and nobody can be asked");
        *resolver.0.lock() = vec![first];
        assert_eq!(peer(&name, 1).await, first);
        let outdate = || name.book.lock().fresh_until = Some(Instant::now());
        resolver.0.lock().clear();
        outdate();
        assert_eq!(peer(&name, 1).await, first);
        *resolver.0.lock() = vec![second];
        assert_eq!(peer(&name, 1).await, first, "still fresh");
        outdate();
        assert_eq!(peer(&name, 1).await, second);
    }
}
