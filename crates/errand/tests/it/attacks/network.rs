//! Connecting: to the machine, to the network around it, to sockets that lie around; with and without a grant.

use super::{Siege, perl};
use crate::scripts::{DONE, MEND, script};

/// Every way to a listener of the test and to addresses beyond.
fn connections(siege: &Siege) -> String {
    let (tcp, udp, tcp6) = (siege.tcp, siege.udp, siege.tcp6.unwrap_or(siege.tcp));
    let program = perl(&format!(
        "use Socket qw(:all); my $n = 0; \
         for my $a ([\"127.0.0.1\", {tcp}], [\"127.0.0.2\", {tcp}], [\"10.0.0.1\", 80], [\"192.168.0.1\", 80], [\"169.254.169.254\", 80], [\"1.1.1.1\", 443]) {{ \
           my $s; socket($s, AF_INET, SOCK_STREAM, 0) or die; $n++; \
           print \"REACHED @$a\\n\" if connect($s, pack_sockaddr_in($a->[1], inet_aton($a->[0]))) }} \
         for my $a ([\"::1\", {tcp6}], [\"::ffff:127.0.0.1\", {tcp}], [\"2606:4700:4700::1111\", 443]) {{ \
           my $s; socket($s, AF_INET6, SOCK_STREAM, 0) or die; $n++; \
           print \"REACHED @$a\\n\" if connect($s, pack_sockaddr_in6($a->[1], inet_pton(AF_INET6, $a->[0]))) }} \
         for my $a ([\"127.0.0.1\", {udp}], [\"1.1.1.1\", 53], [\"255.255.255.255\", 9]) {{ \
           my $s; socket($s, AF_INET, SOCK_DGRAM, 0) or die; $n++; send($s, \"x\", 0, pack_sockaddr_in($a->[1], inet_aton($a->[0]))) }} \
         for my $f (16, 17, 40, 31, 38, 29) {{ for my $t (1, 2, 3, 5) {{ for my $p (0, 9, 12, 15, 16) {{ \
           my $s; next if $f == 16 and $p == 0; print \"REACHED family $f\\n\" if socket($s, $f, $t, $p) }} }} }} \
         print \"$n connections\\n\";"
    ));
    format!(
        "for a in 127.0.0.1/{tcp} localhost/{tcp} ::1/{tcp6} 10.0.0.1/80 1.1.1.1/443 errand/{tcp}; do (exec 3<> /dev/tcp/$a) && echo REACHED $a; done
echo x > /dev/udp/127.0.0.1/{udp}
{program}
getent hosts example.org && echo REACHED
ls /sys/class/net; cat /proc/net/route | tail -n +2 | grep . && echo REACHED
grep -v -e 'lo:' -e '|' /proc/net/dev && echo REACHED"
    )
}

#[test]
fn s21_no_address_is_reached() {
    let siege = Siege::new();
    let result = siege.withstands(&connections(&siege));
    assert!(result.contains("12 connections") && !result.contains("perl failed"), "{result}");
}

#[test]
fn s23_no_socket_of_the_machine_is_reached() {
    let siege = Siege::new();
    let root = siege.place.root().display();
    let state = siege.place.state_dir().display().to_string();
    let (name, word) = (&siege.abstract_name, &siege.word);
    let program = perl(&format!(
        "use Socket; my $n = 0; \
         for my $p (\"{root}/agent.sock\", \"{root}/docker.sock\", \"{root}/bus.sock\", \"{state}/daemon.sock\", \"/var/run/docker.sock\", \
           \"/run/docker.sock\", \"/run/dbus/system_bus_socket\", \"/tmp/.X11-unix/X0\", \"/run/errand/proxy\", \"/dev/log\", \
           \"\\0{name}\", \"\\0siege-x11-{word}\", \"\\0/tmp/.X11-unix/X0\") {{ \
           for my $t (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET) {{ my $s; socket($s, AF_UNIX, $t, 0) or die; $n++; \
             print \"REACHED $p\\n\" if connect($s, pack(\"Sa*\", AF_UNIX, $p)) }} }} \
         my $s; socket($s, AF_UNIX, SOCK_DGRAM, 0); send($s, \"x\", 0, pack(\"Sa*\", AF_UNIX, \"{root}/log.sock\")) and print \"REACHED datagram\\n\"; \
         print \"$n sockets\\n\";"
    ));
    let result = siege.withstands(&format!(
        "env | grep -i sock && echo REACHED\n{program}\ngrep @siege /proc/net/unix && echo REACHED"
    ));
    assert!(result.contains("39 sockets") && !result.contains("perl failed"), "{result}");
}

#[test]
fn s26_without_the_proxys_variables_a_grant_reaches_nothing() {
    let siege = Siege::new();
    let place = &siege.place;
    let contract = place.root().join("home/job.md");
    let unset = "unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy no_proxy NO_PROXY";
    let attack = siege.runs(&format!("{unset}\n{}\necho all of it was tried", connections(&siege)));
    place.play(&script(&[&attack, MEND, DONE]));
    std::fs::write(&contract, "---\nnetwork: [granted.example.org]\n---\nMend it.\n").unwrap();
    let id = place.finished(3, &["-f", contract.to_str().unwrap()]);
    std::fs::remove_file(contract).unwrap();
    assert_eq!(place.show(&id)["contract"]["network"], serde_json::json!(["granted.example.org"]));
    let result = siege.results(&id).remove(0);
    assert!(result.contains("all of it was tried"), "{result}");
    assert!(!result.contains("REACHED"), "{result}");
    siege.holds(&id);
}
