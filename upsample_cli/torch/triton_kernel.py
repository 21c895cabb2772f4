def is_available(): return False
def resample(x, m, out): raise NotImplementedError
