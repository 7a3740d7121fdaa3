//! Measures what it costs to stop a guest that computes: with fuel, with epochs, and not at all.
//!
//! `cargo run -p stageway-host --example fuel_or_epochs`. The guest's code is the same in every build of this program, so
//! no release build is needed.

use std::time::{Duration, Instant};
use wasmtime::{Config, Engine, Instance, Module, Result, Store};

/// A tight loop, a loop over memory, and calls.
const GUEST: &str = r#"(module
  (memory 16)
  (func (export "loop") (local $n i64) (local $x i64)
    (loop $again
      (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1)))
      (local.set $n (i64.add (local.get $n) (i64.const 1)))
      (br_if $again (i64.lt_u (local.get $n) (i64.const 200000000))))
    (i64.store (i32.const 0) (local.get $x)))
  (func (export "memory") (local $n i32)
    (loop $again
      (i32.store (i32.and (i32.mul (local.get $n) (i32.const 68)) (i32.const 0xffffc))
        (i32.add (local.get $n) (i32.load (i32.and (i32.mul (local.get $n) (i32.const 132)) (i32.const 0xffffc)))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 100000000)))))
  (func $fib (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1)))
                     (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func (export "calls") (drop (call $fib (i32.const 36)))))"#;

/// Turns.
const TURNS: u32 = 5;

fn main() -> Result<()> {
    let module = wat::parse_str(GUEST)?;
    println!("{:8} {:>10} {:>10} {:>10}", "guest", "neither", "epochs", "fuel");
    for function in ["loop", "memory", "calls"] {
        let [neither, epochs, fuel] = [(false, false), (true, false), (false, true)]
            .map(|(epochs, fuel)| best(&module, function, epochs, fuel));
        println!("{function:8} {:>10.1?} {:>10.1?} {:>10.1?}", neither?, epochs?, fuel?);
    }
    Ok(())
}

/// The shortest of some turns.
fn best(module: &[u8], function: &str, epochs: bool, fuel: bool) -> Result<Duration> {
    let mut config = Config::new();
    config.epoch_interruption(epochs).consume_fuel(fuel).cranelift_nan_canonicalization(true);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, module)?;
    let mut shortest = Duration::MAX;
    for _ in 0..TURNS {
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1);
        if fuel {
            store.set_fuel(u64::MAX)?;
        }
        let run = Instance::new(&mut store, &module, &[])?.get_typed_func::<(), ()>(&mut store, function)?;
        let start = Instant::now();
        run.call(&mut store, ())?;
        shortest = shortest.min(start.elapsed());
    }
    Ok(shortest)
}
