import type { Enrolment } from '../connection/identity.ts';

/** What the probes found, for the judgement. Failures are values: a broken part must not hide the others. */
export type Outcome<Value> = { ok: true; value: Value } | { ok: false; message: string; hint: string | null };

/** Of the agent's status file. */
export interface ToldStatus {
  connection: { state: 'stopped' | 'connecting' | 'connected' | 'waiting'; reason: string | null };
  /** An older agent does not tell. */
  unacknowledgedReports?: number | undefined;
}

export interface HostEvidence {
  account: { uid: number; name: string };
  /** Mode: null when the file is not there, which is no fault of the default file. */
  configuration: { path: string; mode: number | null };
  stateDirectory: string;
  /** Null: there is nothing at that path. */
  directory: Outcome<{ isDirectory: boolean; mode: number; uid: number } | null>;
  /** Does a process hold the state directory? */
  isClaimed: Outcome<boolean>;
  /** What the agent says of itself, or said last. Null: none has said anything. */
  told: Outcome<ToldStatus | null>;
  /** Null: there is no journal yet. */
  journal: Outcome<{ unfinishedDeployments: number; unacknowledgedReports: number } | null>;
  /** File systems that deployments write to, each once. */
  space: { path: string; freeBytes: Outcome<number> }[];
  reserveBytes: number;
  /** Null: there is no file. */
  identity: Outcome<{ path: string; mode: number; enrolment: Enrolment | null } | null>;
}

/** What does not depend on the configuration. */
export interface SurroundingsEvidence {
  account: { uid: number; name: string };
  tools: Readonly<Record<Tool, boolean>>;
  unit: Outcome<UnitEvidence>;
}

export type Tool = 'setpriv' | 'setfacl' | 'systemd-run' | 'sync';

/** Properties of drover-agent.service. Source: systemctl(1), `show`. */
export interface UnitEvidence {
  loadState: string;
  activeState: string;
  killMode: string;
  unitFileState: string;
}

/** Null: what comes before it failed, so it was not tried. */
export interface ConnectionEvidence {
  url: string;
  addresses: Outcome<string[]>;
  connect: Outcome<{ tookMs: number }> | null;
  answer: Outcome<AnswerEvidence> | null;
  upgrade: Outcome<'open'> | null;
  /** Tried when the upgrade failed. */
  longPoll: Outcome<'open'> | null;
  coordinatorId: Outcome<string> | null;
  /** Does the coordinator take this host's key? Null also for a host that is not enrolled, or is another coordinator's. */
  session: Outcome<'open'> | null;
}

/** The answer of `GET /healthz`, taken whoever gives it: nothing secret is sent for it. */
export interface AnswerEvidence {
  statusCode: number;
  tookMs: number;
  /** The coordinator's clock against this one, ms; null without a Date header. To half a second. */
  clockAheadMs: number | null;
  certificate: CertificateEvidence | null;
}

export interface CertificateEvidence {
  /** Null: the agent trusts it; else OpenSSL's name of what is wrong, or ERR_TLS_CERT_ALTNAME_INVALID. */
  fault: string | null;
  names: string;
  /** Epoch ms. */
  validFrom: number;
  validTo: number;
}
