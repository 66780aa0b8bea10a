"""Real hypervisors in namespaces, with real small guests that behave as told.

Nothing is mocked: libvirt, QEMU and Linux guests run as on any machine, and nothing of it is
left, or was ever outside, when it ends. Root and a few Debian packages are needed
(``python -m tests.lab.requirements`` names what is missing), KVM is not. To look around::

    python -m tests.lab 3

In a test, with the fixtures of ``fixtures.py``::

    def test_a_writer_is_throttled(hypervisor, guest):
        guest.write(1_000_000)                  # bytes a second, until guest.quiet()
        with guest.domain() as domain:          # libvirt, for whatever is to be proved
            domain.setBlockIoTune("vda", {"write_bytes_sec": 100_000})
        assert guest.rates(seconds=3).written < 200_000         # as the guest itself sees it
        hypervisor.popen(sys.executable, "-m", "trustd", "run") # inside, beside QEMU

How it works, one file each:

- ``hypervisor.py``: libvirt's URIs for the outside, its faults, guests. It rests on
- ``namespaces.py``: a private machine within the machine, processes in it, files of it.
- ``keeper.py``: a process outside that starts the namespaces and ends them with their owner,
  however that ends; ``inside.sh`` is their first process; ``cgroups.py`` gives them a cgroup of
  their own, so that CPU quotas work, whatever version of cgroups the machine has.
- ``guest.py``: a guest's life, behaviours and measurements; ``channel.py`` its line of commands;
  ``spec.py`` what it is made of; ``image.py`` what it boots: ``guest/init`` and ``guest/agent``.
- ``requirements.py``, ``waiting.py``, ``errors.py``: what is missing, conditions, what went wrong.
- ``daemon.py``: trustd itself, run inside.

Figures on two cores without KVM: a hypervisor is ready in half a second, a guest in four seconds
(three seconds of CPU), thirty guests fit in 8 GB, and all of it is gone within a second. A quiet
guest costs half a percent of a CPU.
"""
