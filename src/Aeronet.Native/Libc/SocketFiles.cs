using System.Runtime.CompilerServices;
using System.Text;

namespace Aeronet.Native.Libc;

/// <summary>Which file a path named at one moment.</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, bool IsSocket);

/// <summary>The files of Unix domain sockets.</summary>
internal static unsafe class SocketFiles
{
    internal const int CurrentDirectory = -100; // AT_FDCWD
    internal const int DoNotFollow = 0x100; // AT_SYMLINK_NOFOLLOW
    internal const uint BasicStats = 0x7ff; // STATX_BASIC_STATS
    internal const ushort TypeMask = 0xF000; // S_IFMT
    internal const ushort SocketType = 0xC000; // S_IFSOCK
    internal const int StatxSize = 256;
    internal const int StatxMode = 28;
    internal const int StatxInode = 32;
    internal const int StatxDeviceMajor = 136;
    internal const int StatxDeviceMinor = 140;

    public static SysResult Unlink(string path)
    {
        fixed (byte* bytes = ZeroTerminated(path))
        {
            return SysResult.From(LibC.unlink(bytes));
        }
    }

    public static SysResult SetMode(string path, uint mode)
    {
        fixed (byte* bytes = ZeroTerminated(path))
        {
            return SysResult.From(LibC.chmod(bytes, mode));
        }
    }

    /// <summary>Looks at a file without following a symbolic link.</summary>
    /// <remarks>statx and not stat: its layout is the same on every architecture.</remarks>
    public static SysResult Identify(string path, out FileIdentity identity)
    {
        byte* stats = stackalloc byte[StatxSize];
        fixed (byte* bytes = ZeroTerminated(path))
        {
            SysResult result = SysResult.From(LibC.statx(CurrentDirectory, bytes, DoNotFollow, BasicStats, stats));
            identity = !result.IsOk ? default : new FileIdentity(
                Unsafe.ReadUnaligned<uint>(stats + StatxDeviceMajor),
                Unsafe.ReadUnaligned<uint>(stats + StatxDeviceMinor),
                Unsafe.ReadUnaligned<ulong>(stats + StatxInode),
                (Unsafe.ReadUnaligned<ushort>(stats + StatxMode) & TypeMask) == SocketType);
            return result;
        }
    }

    private static byte[] ZeroTerminated(string path)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(path) + 1];
        Encoding.UTF8.GetBytes(path, bytes);
        return bytes;
    }
}
