import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './real-herd.ts';

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** What a receiver does with a request; by default it answers 204. */
export type Answering = (request: ReceivedRequest, response: ServerResponse) => void;

export interface TestReceiver {
  readonly url: string;
  readonly requests: readonly ReceivedRequest[];
  answering: Answering;
  /** Resolves once this many requests have come. */
  received(count: number): Promise<readonly ReceivedRequest[]>;
  stop(): Promise<void>;
}

/** A real HTTP server on a free port of 127.0.0.1 that keeps what it is sent. */
export async function startReceiver(port = 0): Promise<TestReceiver> {
  const requests: ReceivedRequest[] = [];
  const receiver = { answering: answerWith(204) as Answering };
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => {
      const { method = '', url = '', headers } = message;
      const request = { method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') };
      requests.push(request);
      receiver.answering(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    requests,
    get answering() {
      return receiver.answering;
    },
    set answering(answering) {
      receiver.answering = answering;
    },
    async received(count) {
      await until(`${count} requests came`, 20_000, () => requests.length >= count);
      return requests;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function answerWith(status: number, body = '', headers: Record<string, string> = {}): Answering {
  return (_request, response) => {
    response.writeHead(status, headers).end(body);
  };
}
