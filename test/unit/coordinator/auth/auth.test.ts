import { expect } from 'chai';
import type { Caller } from '../../../../coordinator/auth/caller.ts';
import { isValidHostProof, parsePublicKey } from '../../../../coordinator/auth/host-proof.ts';
import { mayCall } from '../../../../coordinator/auth/permissions.ts';
import { bearerSecret, hashSecret, isSameHash } from '../../../../coordinator/auth/tokens.ts';
import type { HostId } from '../../../../shared/core/ids.ts';
import { newKeys, proofOf } from '../../../support/raw-agent.ts';

describe('tokens', () => {
  it('are stored as their SHA-256', () => {
    expect(hashSecret('abc')).to.equal('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('are equal only when every character is', () => {
    expect(isSameHash('aa', 'aa')).to.equal(true);
    expect(isSameHash('aa', 'ab')).to.equal(false);
    expect(isSameHash('aa', 'aaa')).to.equal(false);
  });

  it('are read from a bearer header in any case, and from nothing else', () => {
    expect(bearerSecret('Bearer drover_op_x')).to.equal('drover_op_x');
    expect(bearerSecret('bearer  drover_op_x ')).to.equal('drover_op_x');
    for (const header of [undefined, '', 'Bearer', 'Basic YTpi', 'Bearer a b', `Bearer ${'x'.repeat(300)}`])
      expect(bearerSecret(header)).to.equal(null);
  });
});

describe('mayCall', () => {
  const operator = (role: 'viewer' | 'deployer' | 'admin'): Caller => ({
    kind: 'operator',
    name: 'ana',
    role,
    remoteAddress: null,
  });
  const host: Caller = { kind: 'host', hostId: 'h-1' as HostId, hostName: 'web-1', remoteAddress: null };

  it('lets anybody call what is for anybody', () => {
    for (const caller of [null, host, operator('viewer')]) expect(mayCall('anybody', caller).allowed).to.equal(true);
  });

  it('lets a higher role do what a lower one may, and not the other way round', () => {
    expect(mayCall('viewer', operator('admin')).allowed).to.equal(true);
    expect(mayCall('deployer', operator('deployer')).allowed).to.equal(true);
    expect(mayCall('admin', operator('deployer'))).to.include({ allowed: false, code: 'forbidden' });
    expect(mayCall('deployer', operator('viewer'))).to.include({ allowed: false, code: 'forbidden' });
  });

  it('keeps hosts out of what is for operators, and operators out of what is for hosts', () => {
    expect(mayCall('viewer', host)).to.include({ allowed: false, code: 'forbidden' });
    expect(mayCall('host', operator('admin'))).to.include({ allowed: false, code: 'forbidden' });
    expect(mayCall('host', host).allowed).to.equal(true);
  });

  it('asks nobody we know for a token first', () => {
    expect(mayCall('viewer', null)).to.include({ allowed: false, code: 'unauthorized' });
    expect(mayCall('host', null)).to.include({ allowed: false, code: 'unauthorized' });
  });
});

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
