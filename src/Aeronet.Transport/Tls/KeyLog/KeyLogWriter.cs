using System;
using System.IO;
using System.Threading;
using Aeronet.Transport.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Aeronet.Transport.Tls.KeyLog;

/// <summary>Writes the secrets of TLS sessions to a file in the NSS key log format, for Wireshark and its like. Any thread.</summary>
/// <remarks>Made only when an option asks for it. The file is appended to, and readable by its owner alone. A file that cannot be written any more ends the log, never a handshake.</remarks>
internal sealed class KeyLogWriter : ITlsKeyLog, IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode GroupOrOther = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly Lock _gate = new();
    private readonly ILogger _logger;
    private readonly string _path;
    private FileStream? _file; // under _gate; null once closed or failed

    /// <summary>Opens the file and warns in the log.</summary>
    /// <exception cref="IOException">The file cannot be opened, or others than its owner may read or write it.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    public KeyLogWriter(string path, ILogger logger)
    {
        _path = path;
        _logger = logger;
#pragma warning disable CA1416 // Only TLS on OpenSSL has a key log, and that is on Linux.
        _file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.ReadWrite, BufferSize = 0, UnixCreateMode = OwnerOnly });
        if ((File.GetUnixFileMode(_file.SafeFileHandle) & GroupOrOther) != 0)
#pragma warning restore CA1416
        {
            _file.Dispose();
            throw new IOException($"The TLS key log '{path}' exists and is open to others than its owner: remove it, or chmod 600.");
        }
        TlsServiceLog.KeyLogOn(logger, path);
    }

    /// <summary>Appends one line, without its end: label, client random and secret, as OpenSSL hands it out.</summary>
    public void Write(ReadOnlySpan<byte> line)
    {
        lock (_gate)
        {
            if (_file is null)
            {
                return;
            }
            Span<byte> buffer = line.Length < 512 ? stackalloc byte[512] : new byte[line.Length + 1];
            line.CopyTo(buffer);
            buffer[line.Length] = (byte)'\n';
            try
            {
                _file.Write(buffer[..(line.Length + 1)]); // unbuffered: a whole line in one write, so that several processes can share the file
            }
            catch (IOException failure)
            {
                TlsServiceLog.KeyLogFailed(_logger, _path, failure);
                _file.Dispose();
                _file = null;
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _file?.Dispose();
            _file = null;
        }
    }
}
