//! Prints the specification of iso8583_rs that our dialects give.

fn main() {
    print!("{}", switchyard_peers::iso8583_peer::yaml());
}
