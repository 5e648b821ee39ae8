using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Aeronet.Native.Libc;

/// <summary>Outcome of one system call: its value (zero or more) or the error number.</summary>
internal readonly struct SysResult
{
    private readonly int _value; // >= 0 the value, < 0 the negated error number

    private SysResult(int value) => _value = value;

    public static SysResult Ok(int value)
    {
        Debug.Assert(value >= 0);
        return new SysResult(value);
    }

    public static SysResult Failed(Errno error)
    {
        Debug.Assert(error > Errno.None);
        return new SysResult(-(int)error);
    }

    /// <summary>From what a C function returned; below zero it reads errno, so nothing may stand between the call and this one.</summary>
    /// <remarks>The runtime keeps errno across the return from a call into C; reading it is a plain call, resolved before (<see cref="LibC"/>).</remarks>
    internal static SysResult From(nint returned) => returned >= 0 ? new SysResult((int)returned) : Failed(LastErrno());

    internal static Errno LastErrno() => (Errno)Marshal.GetLastSystemError();

    public bool IsOk => _value >= 0;

    /// <summary>Only when <see cref="IsOk"/>.</summary>
    public int Value
    {
        get
        {
            Debug.Assert(_value >= 0);
            return _value;
        }
    }

    /// <summary><see cref="Libc.Errno.None"/> when <see cref="IsOk"/>.</summary>
    public Errno Errno => _value >= 0 ? Errno.None : (Errno)(-_value);

    public override string ToString() => IsOk ? _value.ToString(System.Globalization.CultureInfo.InvariantCulture) : Errno.ToString();
}
