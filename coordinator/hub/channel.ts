/**
 * PORT: one open way to an agent, over which frames flow in order. `websocket-channel.ts` and `long-poll-channel.ts` are the
 * real ones. It knows nothing of what the frames say.
 */
export interface Channel {
  /** Queues a frame. False when the channel is closed: nothing was sent. */
  send(frame: string): boolean;
  /** Bytes queued and not yet handed to the network. */
  readonly queuedBytes: number;
  /** Asks the other end for a sign of life below the frames; the answer is `onAlive`. */
  ping(): void;
  /** Stops reading, so that the other end feels it. A few frames that were read already may still arrive. */
  pause(): void;
  resume(): void;
  /** Ends the channel in good order: what is queued goes out first. `onClosed` follows, also for a close from here. */
  close(reason: string): void;
}

/** Who hears a channel: given when it is accepted. */
export interface ChannelReceiver {
  onFrame(frame: string): void;
  onAlive(): void;
  /** Once; nothing follows it. */
  onClosed(reason: string): void;
}
