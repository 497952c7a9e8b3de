"""Runs the AWS CLI for whoever asks at a socket, in processes that have imported it already: importing takes longer than most
commands do. Everything else is the CLI's own. It ends with its standard input."""

import gc
import json
import os
import select
import signal
import socket
import sys
import time

WORKERS = 16  # how many commands may run at once; some wait for minutes
COMMANDS = 50  # how many a worker runs
HOME = 199  # the file that is a command's home: some of the CLI's paths begin at HOME as it is when they are imported
os.environ["HOME"] = f"/proc/self/fd/{HOME}"

import awscli.clidriver
import botocore.awsrequest
import botocore.endpoint
import botocore.httpsession
import botocore.loaders
import botocore.session
import botocore.signers
import botocore.waiter

awscli.clidriver.create_clidriver()  # imports the plugins
data_path = os.environ["AWS_DATA_PATH"]  # which the import has set

# The descriptions of the services that the tests call, read once for all workers.
loader = botocore.loaders.create_loader(data_path)
for kind in ("service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1"):
    known = loader.list_available_services(kind)
    for service in ("ec2", "eks", "iam", "s3", "sts"):
        if service in known:
            loader.load_service_model(service, kind)
for name in ("cli", "endpoints", "partitions", "sdk-default-configuration", "_retry"):
    loader.load_data(name)
botocore.session.create_loader = lambda _: loader


def receive(connection):
    """Returns a command, and the three files that it shall have as its standard ones."""
    data, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    length = int(data[:8], 16)
    while len(data) < 8 + length:
        more = connection.recv(1 << 16)
        if not more:
            raise EOFError
        data += more
    return json.loads(data[8:]), files


def become(command, files):
    """Takes on what a process of its own would have begun with."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(command["dir"])
    os.environ.clear()
    os.environ.update(pair.split("=", 1) for pair in command["env"])
    os.environ["AWS_DATA_PATH"] = data_path
    home = os.open(os.environ["HOME"], os.O_RDONLY | os.O_DIRECTORY)
    os.dup2(home, HOME)
    os.close(home)
    time.tzset()
    sys.argv = ["aws"] + command["args"]


def run():
    """Runs the CLI and returns its exit code."""
    try:
        code = awscli.clidriver.main()
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int):
        code = 0 if code is None else 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    return code & 0xFF


def work(listener):
    """Runs one command after the other, some dozen of them: to fork for each takes longer than to run most, as nearly all memory that is
    shared with the parent is copied then."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for _ in range(COMMANDS):
        connection, _ = listener.accept()
        with connection:
            become(*receive(connection))
            code = run()
            for number in (0, 1, 2, HOME):
                os.dup2(nothing, number)
            os.chdir("/")
            connection.sendall(bytes([code]))


def serve(path):
    """Keeps some workers until standard input ends."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(128)
    gc.freeze()  # a worker need not look through, and thereby copy, what all of them share
    print("ready", flush=True)
    workers = set()
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        while workers:
            ended, _ = os.waitpid(-1, os.WNOHANG)
            if not ended:
                break
            workers.discard(ended)
        while len(workers) < WORKERS:
            worker = os.fork()
            if worker == 0:
                try:
                    work(listener)
                finally:
                    os._exit(0)
            workers.add(worker)
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
        os.waitpid(worker, 0)


serve(sys.argv[1])
