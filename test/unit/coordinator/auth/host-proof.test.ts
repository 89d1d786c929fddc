import { expect } from 'chai';
import { isValidHostProof, parsePublicKey } from '../../../../coordinator/auth/host-proof.ts';
import { newKeys, proofOf } from '../../../support/raw-agent.ts';

describe('isValidHostProof', () => {
  const host = { hostId: 'h-1', name: 'web-1', ...newKeys() };
  const proof = {
    nonce: 'nonce-1',
    coordinatorId: 'c-1',
    hostId: 'h-1',
    publicKey: host.publicKey,
    signature: proofOf(host, 'nonce-1', 'c-1'),
  };

  it('accepts the signature of the host over this challenge of this coordinator', () => {
    expect(isValidHostProof(proof)).to.equal(true);
  });

  it('refuses it for another challenge, coordinator, host or key', () => {
    expect(isValidHostProof({ ...proof, nonce: 'nonce-2' })).to.equal(false);
    expect(isValidHostProof({ ...proof, coordinatorId: 'c-2' })).to.equal(false);
    expect(isValidHostProof({ ...proof, hostId: 'h-2' })).to.equal(false);
    expect(isValidHostProof({ ...proof, publicKey: newKeys().publicKey })).to.equal(false);
  });

  it('refuses what is no signature or no key, without throwing', () => {
    expect(isValidHostProof({ ...proof, signature: '' })).to.equal(false);
    expect(isValidHostProof({ ...proof, signature: Buffer.alloc(64).toString('base64') })).to.equal(false);
    expect(isValidHostProof({ ...proof, publicKey: 'AAAA' })).to.equal(false);
    expect(parsePublicKey(Buffer.alloc(31).toString('base64'))).to.equal(null);
  });
});
