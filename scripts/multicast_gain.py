#!/usr/bin/env python3
"""C5 of the coded experiments: how much dearer n unicasts are than one multicast, gamma(n), between network namespaces.

    scripts/multicast_gain.py [--receivers 1,2,4,8] [--turns 5] [--rate 50] [--megabytes 1]

A sender and its receivers have a namespace each, joined by a bridge; what leaves the sender is held to a rate by a token bucket (tc
tbf). In each turn the same datagrams go to every receiver in turn, and then to all of them at once; a turn has lasted when the last
receiver has told that it has all of them. A turn in which a datagram is lost is made again, three times at most. Needs root,
iproute2 and multicast; where one is missing it says so, and ends with 0 as a test that is skipped. Nothing is left behind.
"""

import argparse
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import time

GROUP, PORT, ANSWERS, SIZE = "239.7.7.7", 5007, 5008, 1400
#: A wait for a receiver that has lost a datagram.
LOST_S = 3.0
NAME = f"gain{os.getpid()}"


def address(host):
    return f"10.77.0.{host + 1}"


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


def build(hosts, rate):
    """A bridge in a namespace of its own, and the hosts around it."""
    ip("netns", "add", NAME)
    ip("-n", NAME, "link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
    ip("-n", NAME, "link", "set", "bridge", "up")
    for host in range(hosts):
        namespace = f"{NAME}-{host}"
        ip("netns", "add", namespace)
        ip("-n", NAME, "link", "add", f"to{host}", "type", "veth", "peer", "name", "net", "netns", namespace)
        ip("-n", NAME, "link", "set", f"to{host}", "master", "bridge", "up")
        ip("-n", namespace, "address", "add", f"{address(host)}/24", "dev", "net")
        ip("-n", namespace, "link", "set", "net", "up")
        ip("-n", namespace, "route", "add", "224.0.0.0/4", "dev", "net")
    bucket = ["rate", f"{rate}mbit", "burst", "16kb", "limit", "500mb"]
    subprocess.run(["tc", "-n", f"{NAME}-0", "qdisc", "add", "dev", "net", "root", "tbf", *bucket], check=True)


def clear(hosts):
    for namespace in [NAME, *(f"{NAME}-{host}" for host in range(hosts))]:
        ip("netns", "delete", namespace, check=False)


def within(host, *words):
    return ["ip", "netns", "exec", f"{NAME}-{host}", sys.executable, __file__, *map(str, words)]


def receive(host):
    """Tells the sender of every turn that has come whole; ends at a turn of no datagrams."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    listener.bind(("", PORT))
    membership = socket.inet_aton(GROUP) + socket.inet_aton(address(host))
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    listener.sendto(struct.pack("!ii", host, -1), (address(0), ANSWERS))
    turn, seen = -1, set()
    while True:
        of, number, count = struct.unpack("!iii", listener.recv(SIZE)[:12])
        if count == 0:
            return
        if of != turn:
            turn, seen = of, set()
        seen.add(number)
        if len(seen) == count:
            listener.sendto(struct.pack("!ii", host, turn), (address(0), ANSWERS))


def send(receivers, turns, megabytes):
    """Prints the seconds of unicasts and of the multicast, a line a turn."""
    answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    answers.bind(("", ANSWERS))
    answers.settimeout(LOST_S)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 26)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    count = megabytes * 1_000_000 // SIZE
    body = bytes(SIZE - 12)

    def all_have(turn, patience):
        missing, until = set(range(1, receivers + 1)), time.monotonic() + patience
        while missing and time.monotonic() < until:
            try:
                host, of = struct.unpack("!ii", answers.recv(64))
            except TimeoutError:
                continue
            if of == turn:
                missing.discard(host)
        return not missing

    if not all_have(-1, 20):
        sys.exit("a receiver did not start")
    turn = 0

    def timed(targets):
        nonlocal turn
        for _ in range(3):
            turn += 1
            begun = time.perf_counter()
            for target in targets:
                for number in range(count):
                    sender.sendto(struct.pack("!iii", turn, number, count) + body, (target, PORT))
            if all_have(turn, LOST_S + 20 * megabytes * len(targets) / 10):
                return time.perf_counter() - begun
        sys.exit("datagrams were lost in three turns")

    each = [address(host) for host in range(1, receivers + 1)]
    for _ in range(turns):
        print(timed(each), timed([GROUP]), flush=True)
    for target in each:
        sender.sendto(struct.pack("!iii", 0, 0, 0) + body, (target, PORT))


def gain(receivers, asked):
    """gamma of every turn, or why there is none."""
    hosts, running = receivers + 1, []
    try:
        build(hosts, asked.rate)
        sender = subprocess.Popen(
            within(0, "--send", receivers, asked.turns, asked.megabytes), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(sender)
        time.sleep(0.5)
        running += [subprocess.Popen(within(host, "--receive", host)) for host in range(1, hosts)]
        told, why = sender.communicate(timeout=600)
        if sender.returncode:
            raise RuntimeError(why.strip().splitlines()[-1])
        return [float(line.split()[0]) / float(line.split()[1]) for line in told.splitlines()]
    finally:
        for process in running:
            if process.poll() is None:
                process.terminate()
            process.wait()
        clear(hosts)


def main():
    if sys.argv[1:2] == ["--receive"]:
        return receive(int(sys.argv[2]))
    if sys.argv[1:2] == ["--send"]:
        return send(*map(int, sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--receivers", default="1,2,4,8")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--rate", type=int, default=50, help="Mbit/s that leave the sender")
    parser.add_argument("--megabytes", type=int, default=1)
    asked = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("tc") is None:
        return print("skipped: network namespaces need root, and `ip` and `tc` of iproute2")
    print("| receivers | gamma, median | least .. most |\n|--:|--:|--:|")
    for receivers in map(int, asked.receivers.split(",")):
        try:
            found = gain(receivers, asked)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            return print(f"skipped: multicast cannot be had here: {getattr(error, 'stderr', None) or error}")
        print(f"| {receivers} | {statistics.median(found):.3f} | {min(found):.3f} .. {max(found):.3f} |", flush=True)


if __name__ == "__main__":
    main()
