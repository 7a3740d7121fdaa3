//! A limit order book with price-time priority, served over HTTP.
//!
//! [`order`] has the values, [`book`] the matching, [`api`] the requests, [`server`] the connections and
//! [`config`] what is read at start. The book knows no clock, no network and no JSON; the state lives in memory
//! and every part of it is bounded.

pub mod api;
pub mod book;
pub mod config;
pub mod order;
pub mod server;
