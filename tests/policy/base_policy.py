"""A small policy with every part that decides, for tests to vary."""

BASE = """\
apiVersion: trustd/v1
name: base
actions:
  ro: [read, list]
  io: [ro, write]
  wire: [connect, send]
subject_types:
  user: {properties: accept}
subjects:
  - {select: {app: web}, roles: [web]}
  - {select: {app: db, env: [prod, stage]}, roles: [db]}
  - {type: user, select: {job: clerk}, roles: [clerk]}
objects:
  web-data: {type: volume, select: {app: web}}
  db-data: {type: volume, select: {app: db, state: {not: [sealed]}}}
  nets: {type: network}
  mgmt: {type: network, select: {zone: mgmt}}
roles:
  web:
    permits:
      - {actions: [io], object: web-data, match: {tenant: tenant}}
      - {actions: [wire], object: nets}
    narrow:
      guarded: {drop: [{actions: [connect], object: mgmt}]}
  db:
    permits:
      - {actions: [io, snapshot], object: db-data}
    narrow:
      guarded: {keep: [io]}
  clerk:
    permits:
      - {actions: [read], object: db-data, match: {owner: $id}}
trust:
  bands:
    - {name: trusted, enter: 0.80, leave: 0.70}
    - {name: guarded, enter: 0.55, leave: 0.45, cap: [io, wire, snapshot]}
    - {name: restricted, enter: 0.30, leave: 0.20, cap: [ro, send]}
    - {name: isolated, cap: []}
  dwell: {up: 5m}
  stale: {after: 30s, then: cap, band: restricted, give_up: 10m}
"""
