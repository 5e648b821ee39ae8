using System;

namespace Aeronet.Native.Libc;

/// <summary>The <c>struct tls12_crypto_info_...</c> of linux/tls.h: version, cipher, then nonce, key, salt and record number in lengths that the cipher says. Despite their names also for TLS 1.3.</summary>
internal static unsafe class KernelTlsKey
{
    internal const int Aes128Gcm = 51; // TLS_CIPHER_AES_GCM_128
    internal const int Aes256Gcm = 52;
    internal const int Aes128Ccm = 53;
    internal const int ChaCha20 = 54; // TLS_CIPHER_CHACHA20_POLY1305

    internal const int Aes128Length = 40;
    internal const int Aes256Length = 56;
    internal const int ChaCha20Length = 56;

    private const int CipherOffset = sizeof(ushort); // behind the version

    /// <summary>What stands there; empty for a cipher that is not known here.</summary>
    public static ReadOnlySpan<byte> From(byte* info)
    {
        int length = *(ushort*)(info + CipherOffset) switch
        {
            Aes128Gcm or Aes128Ccm => Aes128Length,
            Aes256Gcm => Aes256Length,
            ChaCha20 => ChaCha20Length,
            _ => 0,
        };
        return new ReadOnlySpan<byte>(info, length);
    }
}
