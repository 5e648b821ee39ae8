using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Security.Cryptography;
using Aeronet.Native.Libc;

namespace Aeronet.TestSupport.Kernel;

/// <summary>What the <c>tls</c> module does for a socket: cuts what is sent into records and encrypts them. AES-GCM in TLS 1.2 and 1.3.</summary>
/// <remarks>As in Linux a record is taken whole when the socket has room for any of it; the rest waits outside of the socket, and nobody is told.</remarks>
internal sealed class SimulatedKernelTls : IDisposable
{
    private const int RecordLengthMax = 16 * 1024;
    private const int TagLength = 16;
    private const int SaltLength = 4;
    private const int NonceLength = 12;
    private const byte ApplicationData = 23;
    private const ushort Tls13 = 0x304;

    private readonly AesGcm _aes;
    private readonly byte[] _salt;
    private readonly byte[] _iv;
    private readonly bool _isTls13;
    private ulong _number;

    private SimulatedKernelTls(ushort version, byte[] iv, byte[] key, byte[] salt, ulong number)
    {
        _isTls13 = version == Tls13;
        _iv = iv;
        _salt = salt;
        _number = number;
        _aes = new AesGcm(key, TagLength);
    }

    /// <summary>Encrypted, and not yet in the socket.</summary>
    public Queue<byte> Waiting { get; } = new();

    /// <summary>Content types of the records so far.</summary>
    public List<byte> ContentTypes { get; } = [];

    /// <param name="key">As the kernel gets it: version, cipher, iv, key, salt, record number.</param>
    public static SimulatedKernelTls Create(ReadOnlySpan<byte> key)
    {
        const int IvLength = 8;
        ushort version = BitConverter.ToUInt16(key);
        int keyLength = BitConverter.ToUInt16(key[2..]) == KernelTlsKey.Aes256Gcm ? 32 : 16;
        ReadOnlySpan<byte> rest = key[4..];
        return new SimulatedKernelTls(
            version,
            rest[..IvLength].ToArray(),
            rest.Slice(IvLength, keyLength).ToArray(),
            rest.Slice(IvLength + keyLength, SaltLength).ToArray(),
            BinaryPrimitives.ReadUInt64BigEndian(rest[(IvLength + keyLength + SaltLength)..]));
    }

    public void Encrypt(byte contentType, ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            int count = Math.Min(content.Length, RecordLengthMax);
            byte[] record = _isTls13 ? Record13(contentType, content[..count]) : Record12(contentType, content[..count]);
            foreach (byte b in record)
            {
                Waiting.Enqueue(b);
            }

            ContentTypes.Add(contentType);
            content = content[count..];
            _number++;
        }
    }

    public void Dispose() => _aes.Dispose();

    // RFC 8446 section 5.2 and 5.3
    private byte[] Record13(byte contentType, ReadOnlySpan<byte> content)
    {
        byte[] inner = [.. content, contentType];
        byte[] header = [ApplicationData, 3, 3, (byte)((inner.Length + TagLength) >> 8), (byte)(inner.Length + TagLength)];
        byte[] nonce = [.. _salt, .. _iv];
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(number, _number);
        for (int i = 0; i < number.Length; i++)
        {
            nonce[NonceLength - number.Length + i] ^= number[i];
        }

        byte[] cipher = new byte[inner.Length];
        byte[] tag = new byte[TagLength];
        _aes.Encrypt(nonce, inner, cipher, tag, header);
        return [.. header, .. cipher, .. tag];
    }

    // RFC 5288 section 3; the record number serves as the explicit half of the nonce
    private byte[] Record12(byte contentType, ReadOnlySpan<byte> content)
    {
        byte[] number = new byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64BigEndian(number, _number);
        byte[] data = [.. number, contentType, 3, 3, (byte)(content.Length >> 8), (byte)content.Length];
        byte[] cipher = new byte[content.Length];
        byte[] tag = new byte[TagLength];
        _aes.Encrypt([.. _salt, .. number], content, cipher, tag, data);
        int length = number.Length + content.Length + TagLength;
        return [contentType, 3, 3, (byte)(length >> 8), (byte)length, .. number, .. cipher, .. tag];
    }
}
