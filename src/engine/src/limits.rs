//! `openkes.front.Limits`, read from its attributes. The reasons stand beside the values there.

use std::time::Duration;

use pyo3::prelude::*;

#[derive(Clone)]
pub struct Limits {
    pub handshake: Duration,
    pub header: Duration,
    pub body: Duration,
    pub idle: Duration,
    pub write: Duration,
    pub max_header: usize,
    pub max_body: usize,
    pub max_bodies: usize,
    pub streams: u32,
    pub connections: usize,
    pub connections_per_peer: usize,
    pub waiting: usize,
    pub drain: Duration,
}

impl Limits {
    pub fn read(limits: &Bound<'_, PyAny>) -> PyResult<Self> {
        let seconds = |name: &str| -> PyResult<Duration> {
            let value: f64 = limits.getattr(name)?.extract()?;
            Duration::try_from_secs_f64(value)
                .map_err(|error| pyo3::exceptions::PyValueError::new_err(format!("limit {name}: {error}")))
        };
        let count = |name: &str| -> PyResult<usize> { limits.getattr(name)?.extract() };
        Ok(Self {
            handshake: seconds("handshake")?,
            header: seconds("header")?,
            body: seconds("body")?,
            idle: seconds("idle")?,
            write: seconds("write")?,
            max_header: count("max_header")?,
            max_body: count("max_body")?,
            max_bodies: count("max_bodies")?,
            streams: limits.getattr("streams")?.extract()?,
            connections: count("connections")?,
            connections_per_peer: count("connections_per_peer")?,
            waiting: count("waiting")?,
            drain: seconds("drain")?,
        })
    }
}
