"""Runs the AWS CLI for whoever asks at a socket, each time in a child that is forked when all of it has been imported: importing takes
longer than most commands do. Everything else is the CLI's own. It ends with its standard input."""

import gc
import json
import os
import select
import signal
import socket
import sys
import time

HOME = 199  # the file that is a child's home: some of the CLI's paths begin at HOME as it is when they are imported
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

# The descriptions of the services that the tests call, read once for all children.
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
    """Returns a request, and the three files that the command shall have as its standard ones."""
    data, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    length = int(data[:8], 16)
    while len(data) < 8 + length:
        more = connection.recv(1 << 16)
        if not more:
            os._exit(1)
        data += more
    return json.loads(data[8:]), files


def run(connection):
    """Is the child: it becomes what was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, files = receive(connection)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["dir"])
    os.environ.clear()
    os.environ.update(pair.split("=", 1) for pair in request["env"])
    os.environ["AWS_DATA_PATH"] = data_path
    os.dup2(os.open(os.environ["HOME"], os.O_RDONLY | os.O_DIRECTORY), HOME)
    time.tzset()
    sys.argv = ["aws"] + request["args"]
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
    connection.sendall(bytes([code & 0xFF]))
    os._exit(code & 0xFF)


def serve(path):
    """Forks a child for each connection."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()  # a child need not look through, and thereby copy, what all of them share
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in readable:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            run(connection)
        connection.close()


serve(sys.argv[1])
