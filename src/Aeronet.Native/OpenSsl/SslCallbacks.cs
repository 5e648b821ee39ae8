using System;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Aeronet.Native.Libc;

namespace Aeronet.Native.OpenSsl;

/// <summary>What OpenSSL calls. Always on the thread that is inside a call of <see cref="SslSession"/>, whose host stands in <see cref="Host"/>.</summary>
/// <remarks>No managed exception leaves: one that would is turned into the callback's word for failure.</remarks>
internal static unsafe class SslCallbacks
{
    private const int NameLength = 16;
    private const int KeyLengthMax = 32;
    private const int AppDataBytesMax = 8 * 1024; // chains are two or three certificates of 1 to 2 KB

    /// <summary>The connection that this thread is working for. Non-null exactly inside a call of <see cref="SslSession"/>.</summary>
    [ThreadStatic]
    internal static ISslHost? Host;

    /// <summary>The peer's Finished came inside the current call; set only where <see cref="NoteMessage"/> is installed.</summary>
    [ThreadStatic]
    internal static bool PeerFinished;

    /// <summary>This libssl can leave the encryption to who is below it: it asked whether that is so.</summary>
    [ThreadStatic]
    internal static bool AskedForKernelTls;

    /// <summary>The method of the BIO under a session, for the life of the process.</summary>
    internal static nint Method { get; } = MakeMethod(&Control);

    /// <summary>The same for sessions that offer their key. A method of its own: OpenSSL 3.0 asks nine times per record whether it was taken.</summary>
    internal static nint KeyTakingMethod { get; } = MakeMethod(&ControlWithKeys);

    [UnmanagedCallersOnly]
    internal static int Verify(nint store, void* argument) => 1; // judged after the handshake, where a chain may be built without holding up the loop

    /// <summary>Sees every message of the protocol. The information callback is silent about handshakes inside a TLS 1.3 connection.</summary>
    [UnmanagedCallersOnly]
    internal static void NoteMessage(int isWritten, int version, int contentType, byte* message, nuint length, nint ssl, void* argument)
    {
        const int Handshake = 22;
        const byte Finished = 20;
        if (isWritten == 0 && contentType == Handshake && length > 0 && *message == Finished)
        {
            PeerFinished = true;
        }
    }

    [UnmanagedCallersOnly]
    internal static int SelectApplicationProtocol(nint ssl, byte** selected, byte* selectedLength, byte* offered, uint offeredLength, void* argument)
    {
        try
        {
            SslContextOptions options = Host!.Context.Options;
            int at = Select(options.ApplicationProtocols, new ReadOnlySpan<byte>(offered, (int)offeredLength));
            if (at < 0)
            {
                return options.RequireApplicationProtocolMatch ? OpenSslConstants.ExtensionAlertFatal : OpenSslConstants.ExtensionNoAcknowledgement;
            }

            *selectedLength = offered[at];
            *selected = offered + at + 1;
            return OpenSslConstants.ExtensionOk;
        }
        catch (Exception)
        {
            return OpenSslConstants.ExtensionAlertFatal;
        }
    }

    [UnmanagedCallersOnly]
    internal static int StatusRequest(nint ssl, void* argument)
    {
        try
        {
            nint selected = LibSsl.SSL_get_certificate(ssl);
            byte[]? staple = selected == 0 ? null : Host!.Context.Options.FindStaple!(SslSession.ToDer(selected));
            if (staple is null || staple.Length == 0)
            {
                return OpenSslConstants.ExtensionNoAcknowledgement;
            }

            void* copy = LibCrypto.CRYPTO_malloc((nuint)staple.Length, null, 0); // the session frees it
            if (copy is null)
            {
                return OpenSslConstants.ExtensionNoAcknowledgement;
            }

            staple.CopyTo(new Span<byte>(copy, staple.Length));
            LibSsl.SSL_ctrl(ssl, OpenSslConstants.CtrlSetStatusResponse, staple.Length, copy);
            return OpenSslConstants.ExtensionOk;
        }
        catch (Exception)
        {
            return OpenSslConstants.ExtensionNoAcknowledgement;
        }
    }

    [UnmanagedCallersOnly]
    internal static void LogKey(nint ssl, byte* line)
    {
        try
        {
            Host?.Context.Options.KeyLog?.Invoke(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(line).ToArray());
        }
        catch (Exception)
        {
            // A log is no reason to end a connection.
        }
    }

    /// <summary>Encrypts or decrypts a ticket. 1: yes; 2: yes, and the client gets a new one; 0: no; -1: the handshake fails.</summary>
    [UnmanagedCallersOnly]
    [SkipLocalsInit]
    internal static int TicketKey(nint ssl, byte* name, byte* iv, nint cipher, nint mac, int encrypts)
    {
        const int IvLength = 16; // AES-CBC
        Span<byte> keys = stackalloc byte[2 * KeyLengthMax];
        try
        {
            ISslTicketKeys source = Host!.Context.Options.TicketKeys!;
            Span<byte> aes = keys[..KeyLengthMax];
            Span<byte> hmac = keys[KeyLengthMax..];
            bool isCurrent = true;
            int length = encrypts != 0
                ? source.CopyCurrent(new Span<byte>(name, NameLength), aes, hmac)
                : source.CopyByName(new ReadOnlySpan<byte>(name, NameLength), aes, hmac, out isCurrent);
            if (length == 0)
            {
                return 0;
            }

            Debug.Assert(length is 16 or 32);
            if (encrypts != 0 && LibCrypto.RAND_bytes(iv, IvLength) != 1)
            {
                return -1;
            }

            nint algorithm = length == KeyLengthMax ? LibCrypto.EVP_aes_256_cbc() : LibCrypto.EVP_aes_128_cbc();
            fixed (byte* key = aes, macKey = hmac)
            {
                int set = encrypts != 0
                    ? LibCrypto.EVP_EncryptInit_ex(cipher, algorithm, 0, key, iv)
                    : LibCrypto.EVP_DecryptInit_ex(cipher, algorithm, 0, key, iv);
                if (set != 1 || !SetMac(mac, macKey, length))
                {
                    return -1;
                }

                // Clients use a ticket of TLS 1.3 once (RFC 8446 appendix C.4): without a new one the next connection would be a full handshake.
                return encrypts != 0 || (isCurrent && LibSsl.SSL_version(ssl) != OpenSslConstants.Tls13) ? 1 : 2;
            }
        }
        catch (Exception)
        {
            return -1;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(keys);
        }
    }

    /// <summary>Puts the issuers that the client sent into the ticket: a resumed session has the leaf only, and it is judged again.</summary>
    [UnmanagedCallersOnly]
    internal static int NewTicket(nint ssl, void* argument)
    {
        try
        {
            if (LibSsl.SSL_session_reused(ssl) != 0 && LibSsl.SSL_version(ssl) != OpenSslConstants.Tls13)
            {
                return 1; // a session of the cache is shared with other connections; in TLS 1.3 this one is a copy
            }

            // A session that came in a ticket has no chain, and has kept what that ticket said.
            byte[] issuers = SslSession.PackChain(LibSsl.SSL_get_peer_cert_chain(ssl));
            if (issuers.Length is > 0 and <= AppDataBytesMax)
            {
                fixed (byte* data = issuers)
                {
                    _ = LibSsl.SSL_SESSION_set1_ticket_appdata(LibSsl.SSL_get_session(ssl), data, (nuint)issuers.Length);
                }
            }

            return 1;
        }
        catch (Exception)
        {
            return 0;
        }
    }

    /// <summary>Where in <paramref name="offered"/> our most wanted protocol stands (at its length byte); -1: nowhere.</summary>
    internal static int Select(ReadOnlySpan<byte> ours, ReadOnlySpan<byte> offered)
    {
        for (int i = 0; i < ours.Length; i += ours[i] + 1)
        {
            ReadOnlySpan<byte> wanted = ours.Slice(i, ours[i] + 1);
            int next;
            for (int at = 0; at < offered.Length; at = next)
            {
                next = at + offered[at] + 1;
                if (next > offered.Length)
                {
                    break; // OpenSSL has checked the list; this keeps us inside of it even so
                }

                if (offered[at..next].SequenceEqual(wanted))
                {
                    return at;
                }
            }
        }

        return -1;
    }

    private static bool SetMac(nint mac, byte* key, int length)
    {
        fixed (byte* keyName = "key\0"u8, digestName = "digest\0"u8, digest = "SHA256\0"u8)
        {
            LibCrypto.OsslParam* parameters = stackalloc LibCrypto.OsslParam[3];
            parameters[0] = new LibCrypto.OsslParam { Key = keyName, DataType = OpenSslConstants.ParameterOctets, Data = key, DataSize = (nuint)length, ReturnSize = nuint.MaxValue };
            parameters[1] = new LibCrypto.OsslParam { Key = digestName, DataType = OpenSslConstants.ParameterUtf8, Data = digest, DataSize = 6, ReturnSize = nuint.MaxValue };
            parameters[2] = default;
            return LibCrypto.EVP_MAC_CTX_set_params(mac, parameters) == 1;
        }
    }

    [UnmanagedCallersOnly]
    private static int Read(nint bio, byte* into, int length)
    {
        const int RetryRead = OpenSslConstants.FlagRead | OpenSslConstants.FlagShouldRetry;
        try
        {
            int received = Host!.ReceiveRecords(new Span<byte>(into, length));
            if (received > 0)
            {
                return received;
            }

            // The flags are looked at only after a call that moved nothing.
            if (received == SslSession.WouldBlock)
            {
                LibCrypto.BIO_set_flags(bio, RetryRead);
                return -1;
            }

            LibCrypto.BIO_clear_flags(bio, RetryRead);
            return received == 0 ? 0 : -1;
        }
        catch (Exception)
        {
            LibCrypto.BIO_clear_flags(bio, RetryRead);
            return -1;
        }
    }

    [UnmanagedCallersOnly]
    private static int Write(nint bio, byte* bytes, int length)
    {
        try
        {
            Host!.SendRecords(new ReadOnlySpan<byte>(bytes, length));
            return length;
        }
        catch (Exception)
        {
            return -1;
        }
    }

    [UnmanagedCallersOnly]
    private static nint Control(nint bio, int command, nint number, void* pointer) => command == OpenSslConstants.ControlFlush ? 1 : 0;

    [UnmanagedCallersOnly]
    private static nint ControlWithKeys(nint bio, int command, nint number, void* pointer)
    {
        try
        {
            switch (command)
            {
                case OpenSslConstants.ControlFlush:
                    return 1;
                case OpenSslConstants.ControlGetKernelTlsSend:
                    AskedForKernelTls = true;
                    return Host is { EncryptsSends: true } ? 1 : 0;
                case OpenSslConstants.ControlSetKernelTls: // the number says whether it is the key for sending
                    return number != 0 && Host is { } owner && owner.TryEncryptSends(KernelTlsKey.From((byte*)pointer)) ? 1 : 0;
                case OpenSslConstants.ControlSetRecordType:
                    Host?.SetContentType((byte)number);
                    return 0;
                default:
                    return 0;
            }
        }
        catch (Exception)
        {
            return 0;
        }
    }

    private static nint MakeMethod(delegate* unmanaged<nint, int, nint, void*, nint> control)
    {
        nint method;
        fixed (byte* name = "aeronet\0"u8)
        {
            method = LibCrypto.BIO_meth_new(LibCrypto.BIO_get_new_index() | OpenSslConstants.TypeSourceSink, name);
        }

        int set = method == 0 ? 0 : LibCrypto.BIO_meth_set_read(method, &Read) & LibCrypto.BIO_meth_set_write(method, &Write) & LibCrypto.BIO_meth_set_ctrl(method, control);
        return set == 1 ? method : throw new InvalidOperationException("OpenSSL has no memory for a BIO method.");
    }
}
